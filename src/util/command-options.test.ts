import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  describeOptions,
  type OptionTable,
  optionDefaults,
  parseOptions,
  UsageError,
} from './command-options.ts';

const TABLE = {
  host: { type: 'string', default: '127.0.0.1', doc: 'Address.' },
  'max-num-seqs': { type: 'integer', default: 8, min: 1, max: 100, doc: 'Batch.' },
  'time-scale': { type: 'number', default: 1, min: 0, doc: 'Speed.' },
  'keep-going': { type: 'boolean', default: false, doc: 'Stay.' },
  ports: { type: 'list', default: [], doc: 'Ports.', value: 'a,b' },
} as const satisfies OptionTable;

describe('parseOptions', () => {
  test('gives defaults in camel case', () => {
    expect(parseOptions(TABLE, [])).toEqual({
      host: '127.0.0.1',
      maxNumSeqs: 8,
      timeScale: 1,
      keepGoing: false,
      ports: [],
    });
    expect(optionDefaults(TABLE)).toEqual(parseOptions(TABLE, []));
  });

  test('reads both forms of every type, lists by comma and repetition', () => {
    const argv = [
      '--host',
      'h',
      '--max-num-seqs=3',
      '--time-scale',
      '0.5',
      '--keep-going',
      '--ports',
      '1, 2',
      '--ports=3',
    ];
    expect(parseOptions(TABLE, argv)).toEqual({
      host: 'h',
      maxNumSeqs: 3,
      timeScale: 0.5,
      keepGoing: true,
      ports: ['1', '2', '3'],
    });
    expect(parseOptions(TABLE, ['--keep-going=false']).keepGoing).toBe(false);
  });

  test.each([
    [['--nope', '1'], 'unknown option "--nope"'],
    [['stray'], 'unknown option "stray"'],
    [['--host'], '--host: value missing'],
    [['--max-num-seqs', '1.5'], '--max-num-seqs: got "1.5", want an integer from 1 to 100'],
    [['--max-num-seqs', '0'], '--max-num-seqs: got "0", want an integer from 1 to 100'],
    [['--time-scale', ''], '--time-scale: got "", want a number from 0'],
    [['--keep-going=maybe'], '--keep-going: got "maybe", want true or false'],
    [['--__proto__', '1'], 'unknown option "--__proto__"'],
  ])('%j is refused', (argv, message) => {
    expect(() => parseOptions(TABLE, argv)).toThrow(new UsageError(message));
  });

  test('any command line parses or throws UsageError', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.string(), fc.constantFrom('--host', '--ports', '--keep-going=1'))),
        (argv) => {
          try {
            parseOptions(TABLE, argv);
          } catch (error) {
            expect(error).toBeInstanceOf(UsageError);
          }
        },
      ),
    );
  });
});

test('describeOptions shows each option once, with its default', () => {
  const text = describeOptions(TABLE);
  expect(text.split('\n')).toHaveLength(6);
  expect(text).toContain('--max-num-seqs integer  Batch. (default 8)');
  expect(text).toContain('--ports a,b             Ports.\n');
});
