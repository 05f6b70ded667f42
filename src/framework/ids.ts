declare const brand: unique symbol;
type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** `namespace/name`, unique in the pool; the store's key. */
export type EndpointId = Brand<string, 'EndpointId'>;

/** Both parts are DNS labels, so neither contains `/`. */
export function endpointId(namespace: string, name: string): EndpointId {
  return `${namespace}/${name}` as EndpointId;
}
