/** Cases of h2spec that a server of gRPC alone is expected to fail, each with the reason. */
export const EXPLAINED: ReadonlyMap<string, string> = new Map([
  [
    'generic/2/2',
    'wants content in the answer to a plain GET; what is no gRPC call is answered with headers alone',
  ],
  [
    'generic/2/3',
    'wants content in the answer to a plain GET; what is no gRPC call is answered with headers alone',
  ],
]);

/**
 * Cases that cannot be run: h2spec opens as many streams as SETTINGS_MAX_CONCURRENT_STREAMS allows and one more without
 * reading an answer, which for the limit of a gRPC server is a million. The limit is tested by a client of our own.
 */
export const NOT_RUN: ReadonlySet<string> = new Set(['http2/5.1.2']);
