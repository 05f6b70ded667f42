import { createSecureContext } from 'node:tls';
import { expect, test } from 'vitest';
import { ConfigurationError } from '../framework/errors.ts';
import { cipherList, tlsVersion } from './tls-names.ts';

test.each([
  { name: '', want: 'TLSv1.2' },
  { name: 'VersionTLS10', want: 'TLSv1' },
  { name: 'VersionTLS11', want: 'TLSv1.1' },
  { name: 'VersionTLS12', want: 'TLSv1.2' },
  { name: 'VersionTLS13', want: 'TLSv1.3' },
])('version "$name" is $want', ({ name, want }) => {
  expect(tlsVersion(name)).toBe(want);
});

test('no suites leave the choice to the runtime', () => {
  expect(cipherList([])).toBeUndefined();
});

test.each([
  'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
  'TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256',
  'TLS_RSA_WITH_AES_256_CBC_SHA',
  ' TLS_AES_128_GCM_SHA256 ',
])('suite %s is one OpenSSL knows; TLS 1.3 stays possible', (name) => {
  const ciphers = cipherList([name]) ?? '';
  expect(() => createSecureContext({ ciphers })).not.toThrow();
  expect(ciphers.split(':')).toContain('TLS_AES_256_GCM_SHA384');
});

test('unknown names fail, and say what was got', () => {
  expect(() => tlsVersion('TLS1.2')).toThrow(ConfigurationError);
  expect(() => cipherList(['TLS_NULL'])).toThrow(
    'invalid tls-cipher-suites: unknown cipher suite "TLS_NULL"',
  );
});
