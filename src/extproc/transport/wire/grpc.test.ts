import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBlock } from '../../../../test/support/hpack.ts';
import { httpAnswer, OK_TRAILERS, RESPONSE_HEADERS, STATUS, timeoutMs, trailers } from './grpc.ts';
import { HpackDecoder } from './hpack/decoder.ts';

/** Fields as a client sees them. */
function fields(block: Uint8Array): unknown {
  return decodeBlock(new HpackDecoder({ maxTableBytes: 4096, maxListBytes: 65_536 }), block).fields;
}

/** `grpc-message` as a client reads it: every `%XX` is a byte, and bytes are UTF-8. */
function message(block: Uint8Array): string {
  const encoded = new Map(fields(block) as [string, string][]).get('grpc-message') ?? 'none';
  expect(encoded).toMatch(/^[\x20-\x7e]*$/);
  return decodeURIComponent(encoded);
}

describe('header blocks', () => {
  test.each([
    {
      name: 'of an answer',
      block: RESPONSE_HEADERS,
      want: [
        [':status', '200'],
        ['content-type', 'application/grpc'],
      ],
    },
    { name: 'of its end', block: OK_TRAILERS, want: [['grpc-status', '0']] },
    {
      name: 'of an end with an error',
      block: trailers(STATUS.RESOURCE_EXHAUSTED, 'too large', false),
      want: [
        ['grpc-status', '8'],
        ['grpc-message', 'too large'],
      ],
    },
    {
      name: 'of an answer without messages',
      block: trailers(STATUS.UNIMPLEMENTED, 'unknown', true),
      want: [
        [':status', '200'],
        ['content-type', 'application/grpc'],
        ['grpc-accept-encoding', 'identity,deflate,gzip'],
        ['grpc-status', '12'],
        ['grpc-message', 'unknown'],
      ],
    },
    { name: 'of what is no call', block: httpAnswer(415), want: [[':status', '415']] },
  ])('$name', ({ block, want }) => {
    expect(fields(block)).toEqual(want);
  });
});

describe('grpc-message', () => {
  test.each([
    { text: 'plain ~ text', encoded: 'plain ~ text' },
    { text: '100%', encoded: '100%25' },
    { text: 'a\r\nb\0', encoded: 'a%0D%0Ab%00' },
    { text: '\x7f\x1f', encoded: '%7F%1F' },
    { text: 'é€', encoded: '%C3%A9%E2%82%AC' },
  ])('$text is sent as $encoded', ({ text, encoded }) => {
    expect(fields(trailers(STATUS.INTERNAL, text, false))).toEqual([
      ['grpc-status', '13'],
      ['grpc-message', encoded],
    ]);
  });

  test('any text arrives', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 256 }), (text) => {
        expect(message(trailers(STATUS.INTERNAL, text, false))).toBe(text);
      }),
    );
  });

  test('is shortened, so that its block fits into a frame that every peer takes', () => {
    for (const sign of ['x', '%', '€', '\ud83d\ude00']) {
      const block = trailers(STATUS.INTERNAL, sign.repeat(60_000), true);
      expect(block.length).toBeLessThan(16_384);
      expect(message(block).slice(0, 500)).toBe(sign.repeat(512).slice(0, 500));
    }
  });
});

describe('grpc-timeout', () => {
  test.each<[string, number | undefined]>([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['4m', 4],
    ['5u', 0.005],
    ['6n', 0.000_006],
    ['0S', 0],
    ['00000007m', 7],
    ['99999999H', 99_999_999 * 3_600_000],
    ['100000000m', undefined],
    ['', undefined],
    ['S', undefined],
    ['5', undefined],
    ['5 S', undefined],
    ['-5S', undefined],
    ['5.5S', undefined],
    ['5s', undefined],
    ['5h', undefined],
    ['5SS', undefined],
    ['5S\n', undefined],
    ['+5S', undefined],
    ['5constructor', undefined],
  ])('%j is %s ms', (text, want) => {
    const got = timeoutMs(text);
    if (want === undefined) expect(got).toBeUndefined();
    else expect(got).toBeCloseTo(want, 12);
  });
});
