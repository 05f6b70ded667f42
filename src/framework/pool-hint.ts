/** Something that was said of the pool that a request is for. */
export interface PoolHint {
  /** Who said it: the gateway in dynamic metadata or in an attribute, or whoever may set the header that was named. */
  readonly from: 'metadata' | 'attribute' | 'header';
  /** Of the key, attribute or header. */
  readonly name: string;
  /** As it was said, not empty. */
  readonly value: string;
}

/** Of requests that nothing was said of. */
export const NO_HINTS: readonly PoolHint[] = [];
