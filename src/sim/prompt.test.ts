import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { promptOf, tokensOf, WordSource } from './prompt.ts';

describe('tokensOf', () => {
  test.each([
    [[''], 1],
    [['abcd'], 1],
    [['abcde'], 2],
    [['ab', 'cd'], 2],
    [['é', 'x'], 2],
    [['日本'], 2],
  ])('%j is %i tokens', (parts, count) => {
    expect(tokensOf(parts)).toHaveLength(count);
  });

  test('4 bytes a token, little-endian, the rest zero', () => {
    expect([...tokensOf(['abcde'])]).toEqual([0x64636261, 0x65]);
  });

  test('parts start on a token of their own: equal parts give equal tokens', () => {
    fc.assert(
      fc.property(fc.string(), fc.string({ minLength: 1 }), (before, part) => {
        const alone = tokensOf([part]);
        const behind = tokensOf([before, part]);
        expect([...behind.subarray(behind.length - alone.length)]).toEqual([...alone]);
      }),
    );
  });
});

describe('promptOf', () => {
  const tokens = fc.array(fc.nat(50), { minLength: 1, maxLength: 60 });
  const hashes = (ids: readonly number[], space = '') => [
    ...promptOf(Uint32Array.from(ids), 4, space).hashes,
  ];

  test('one hash per full block', () => {
    expect(hashes([1, 2, 3])).toEqual([]);
    expect(hashes([1, 2, 3, 4, 5])).toHaveLength(1);
  });

  test('a block is hashed with all that is before it', () => {
    fc.assert(
      fc.property(tokens, tokens, (a, b) => {
        let shared = 0;
        while (shared < a.length && shared < b.length && a[shared] === b[shared]) shared += 1;
        const [ha, hb] = [hashes(a), hashes(b)];
        for (let i = 0; i < Math.min(ha.length, hb.length); i += 1) {
          expect(ha[i] === hb[i]).toBe((i + 1) * 4 <= shared);
        }
      }),
    );
  });

  test('spaces share no blocks', () => {
    fc.assert(
      fc.property(tokens, (ids) => {
        const other = new Set(hashes(ids, 'b'));
        expect(hashes(ids, 'a').some((hash) => other.has(hash))).toBe(false);
      }),
    );
  });

  test('hashes are exact integers, and 100,000 blocks do not collide', () => {
    const prompt = promptOf(
      Uint32Array.from({ length: 100_000 }, (_, i) => i % 97),
      1,
      '',
    );
    expect(prompt.hashes.every((hash) => Number.isSafeInteger(hash))).toBe(true);
    expect(new Set(prompt.hashes).size).toBe(100_000);
  });
});

describe('WordSource', () => {
  test('the same seed gives the same words, another seed others', () => {
    const words = (seed: number) => {
      const source = new WordSource(seed);
      return Array.from({ length: 20 }, () => WordSource.text(source.next())).join('');
    };
    expect(words(42)).toBe(words(42));
    expect(words(42)).not.toBe(words(43));
  });

  test('every word is one token', () => {
    for (let i = 0; i < 64; i += 1)
      expect([...tokensOf([WordSource.text(i)])]).toEqual([WordSource.token(i)]);
  });
});
