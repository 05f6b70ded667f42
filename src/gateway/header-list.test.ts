import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { HeaderMutation } from '../extproc/codec.ts';
import { HeaderList, MutationError } from './header-list.ts';

function list(...entries: [string, string][]): HeaderList {
  const headers = new HeaderList();
  for (const [name, value] of entries) headers.add(name, value);
  return headers;
}

const set = (key: string, value: string, appendAction = 2) => ({
  header: { key, rawValue: Buffer.from(value) },
  appendAction,
});

describe('HeaderList', () => {
  test('keeps order and repetitions, lower-cases, drops what belongs to the connection', () => {
    const headers = list([':method', 'GET']);
    headers.addRaw(['X-A', '1', 'Connection', 'close', 'x-a', '2', 'Transfer-Encoding', 'chunked']);
    expect(headers.toRaw()).toEqual(['x-a', '1', 'x-a', '2']);
    expect(headers.get('x-a')).toBe('1');
    expect(headers.toHeaderMap().headers?.map(({ key }) => key)).toEqual([':method', 'x-a', 'x-a']);
  });

  test.each<[string, HeaderMutation, [string, string][]]>([
    ['nothing', {}, [['a', '1']]],
    ['unset action replaces', { setHeaders: [set('a', '2', 0)] }, [['a', '2']]],
    ['add if absent, present', { setHeaders: [set('a', '2', 1)] }, [['a', '1']]],
    [
      'add if absent, absent',
      { setHeaders: [set('b', '2', 1)] },
      [
        ['a', '1'],
        ['b', '2'],
      ],
    ],
    ['overwrite if present, absent', { setHeaders: [set('b', '2', 3)] }, [['a', '1']]],
    ['overwrite if present, present', { setHeaders: [set('A', '2', 3)] }, [['a', '2']]],
    ['remove', { removeHeaders: ['A'] }, []],
    ['remove, then set', { removeHeaders: ['a'], setHeaders: [set('a', '3', 1)] }, [['a', '3']]],
    ['what may not be changed', { setHeaders: [set('host', 'x'), set('x-envoy-z', 'x')] }, [['a', '1']]],
    [
      'value without raw_value',
      { setHeaders: [{ header: { key: 'a', value: '9' }, appendAction: 2 }] },
      [['a', '9']],
    ],
  ])('%s', (_name, mutation, expected) => {
    const headers = list(['a', '1']);
    headers.apply(mutation);
    expect(headers.toPairs()).toEqual(expected);
  });

  test('of the pseudo headers only the path and the status change', () => {
    const headers = list([':method', 'GET'], [':path', '/a']);
    headers.apply({ setHeaders: [set(':method', 'PUT'), set(':path', '/b')], removeHeaders: [':path'] });
    expect([headers.get(':method'), headers.get(':path')]).toEqual(['GET', '/b']);
  });

  test.each<[string, HeaderMutation]>([
    [
      'value and raw_value',
      { setHeaders: [{ header: { key: 'b', value: '1', rawValue: Buffer.from('2') }, appendAction: 2 }] },
    ],
    ['a line break', { setHeaders: [set('b', '1\n2')] }],
    ['a bad name', { setHeaders: [set('b c', '1')] }],
    ['a bad name to remove', { removeHeaders: [''] }],
    ['a huge value', { setHeaders: [set('b', 'x'.repeat(16_385))] }],
  ])('%s rejects the whole mutation', (_name, broken) => {
    const headers = list(['a', '1']);
    const setHeaders = [set('a', '2'), ...(broken.setHeaders ?? [])];
    expect(() => headers.apply({ ...broken, setHeaders })).toThrow(MutationError);
    expect(headers.toPairs()).toEqual([['a', '1']]);
  });

  test('whatever a picker sends, headers stay ones that Node accepts', () => {
    const text = fc.oneof(
      fc.string({ maxLength: 12 }),
      fc.constantFrom('a', ':path', 'host', 'x\r\ny: 1', '__proto__'),
    );
    const mutation = fc.record({
      setHeaders: fc.array(
        fc.tuple(text, text, fc.nat(4)).map(([key, value, action]) => set(key, value, action)),
      ),
      removeHeaders: fc.array(text),
    });
    fc.assert(
      fc.property(mutation, (one) => {
        const headers = list(['a', '1'], [':path', '/']);
        try {
          headers.apply(one);
        } catch (error) {
          expect(error).toBeInstanceOf(MutationError);
        }
        const raw = headers.toRaw();
        for (let i = 0; i < raw.length; i += 2) {
          expect(raw[i]).toMatch(/^[!#$%&'*+\-.^_`|~0-9a-z]+$/);
          expect(raw[i + 1]).not.toMatch(/[\r\n\0]/);
        }
      }),
    );
  });
});
