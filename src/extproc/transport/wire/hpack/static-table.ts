/** Entries of the static table; indices above it are in the dynamic table (RFC 7541 §2.3.3). */
export const STATIC_ENTRIES = 61;

/** Names by index, as RFC 7541 Appendix A numbers them; equal names are neighbours. Index 0 is no entry. */
export const STATIC_NAMES: readonly string[] = [
  '',
  ':authority',
  ':method',
  ':method',
  ':path',
  ':path',
  ':scheme',
  ':scheme',
  ':status',
  ':status',
  ':status',
  ':status',
  ':status',
  ':status',
  ':status',
  'accept-charset',
  'accept-encoding',
  'accept-language',
  'accept-ranges',
  'accept',
  'access-control-allow-origin',
  'age',
  'allow',
  'authorization',
  'cache-control',
  'content-disposition',
  'content-encoding',
  'content-language',
  'content-length',
  'content-location',
  'content-range',
  'content-type',
  'cookie',
  'date',
  'etag',
  'expect',
  'expires',
  'from',
  'host',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'last-modified',
  'link',
  'location',
  'max-forwards',
  'proxy-authenticate',
  'proxy-authorization',
  'range',
  'referer',
  'refresh',
  'retry-after',
  'server',
  'set-cookie',
  'strict-transport-security',
  'transfer-encoding',
  'user-agent',
  'vary',
  'via',
  'www-authenticate',
];

/** Values by index; all that are not listed are empty. */
export const STATIC_VALUES: readonly string[] = STATIC_NAMES.map((_, index) => valueAt(index));

function valueAt(index: number): string {
  switch (index) {
    case 2:
      return 'GET';
    case 3:
      return 'POST';
    case 4:
      return '/';
    case 5:
      return '/index.html';
    case 6:
      return 'http';
    case 7:
      return 'https';
    case 8:
      return '200';
    case 9:
      return '204';
    case 10:
      return '206';
    case 11:
      return '304';
    case 12:
      return '400';
    case 13:
      return '404';
    case 14:
      return '500';
    case 16:
      return 'gzip, deflate';
    default:
      return '';
  }
}
