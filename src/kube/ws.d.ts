/** What the declarations of `@kubernetes/client-node` name of a package whose declarations are not installed. */
declare module 'ws' {
  export class WebSocket {}
  export type ClientOptions = object;
  export type RawData = unknown;
  export class WebSocketServer {}
}
