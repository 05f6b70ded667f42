/** What stands in the place of a secret. */
const REDACTED = '[redacted]';

/** Last words of member names whose values are secrets. */
const SECRET_WORDS = new Set([
  'password',
  'passwd',
  'passphrase',
  'secret',
  'token',
  'credential',
  'credentials',
  'authorization',
  'apikey',
  'cookie',
]);

/** Words that make a `key` a secret one; a plain `key` is mostly a name. */
const SECRET_KEYS = new Set(['api', 'access', 'private', 'secret', 'signing', 'encryption']);

/** User and password of a URL. */
const USER_INFO = /\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@]+@/gi;

/**
 * A copy of a JSON-like value fit for logs and debug pages: members with secret-sounding names (`hfToken`,
 * `api-key`) and user information in URLs are replaced. `tokenizer` or `maxTokens` are not secrets.
 */
export function redact(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(USER_INFO, `$1${REDACTED}@`);
  if (Array.isArray(value)) return value.map(redact);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name,
      isSecret(name) && holdsText(member) ? REDACTED : redact(member),
    ]),
  );
}

function isSecret(name: string): boolean {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/);
  const last = words.at(-1) ?? '';
  return SECRET_WORDS.has(last) || (last === 'key' && SECRET_KEYS.has(words.at(-2) ?? ''));
}

/** Empty values hide nothing, and objects are looked into. */
function holdsText(member: unknown): boolean {
  return (typeof member === 'string' && member !== '') || typeof member === 'number' || Array.isArray(member);
}
