import { describe, expect, test } from 'vitest';
import { splitAddress } from './options.ts';

describe('splitAddress', () => {
  test.each([
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['localhost:0', { host: 'localhost', port: 0 }],
    [' [::1]:9002 ', { host: '::1', port: 9002 }],
  ])('%s', (address, parts) => {
    expect(splitAddress(address)).toEqual(parts);
  });

  test.each(['', 'host', 'host:', ':80', 'host:x', 'host:70000', '::1:80', '[::1]'])(
    '%j is refused',
    (address) => {
      expect(() => splitAddress(address)).toThrow(RangeError);
    },
  );
});
