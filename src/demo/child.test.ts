import { describe, expect, test } from 'vitest';
import { systemClock } from '../util/clock.ts';
import { Child, ChildError } from './child.ts';

const node = (script: string) => new Child('program', [process.execPath, '-e', script], systemClock);

describe('Child', () => {
  test('waits for lines and returns what they name', async () => {
    await using child = node(
      `console.log('noise\\nport 1'); setTimeout(() => console.log('port 2'), 20); setInterval(() => {}, 1e6)`,
    );
    expect(await child.matches(/^port (\d)$/, 2, 5000)).toEqual(['1', '2']);
    expect(child.hasExited).toBe(false);
  });

  test('a program that ends early shows what it wrote', async () => {
    await using child = node(`console.error('no such thing'); process.exitCode = 3`);
    const failure = child.matches(/^ready (.*)$/, 1, 5000);
    await expect(failure).rejects.toThrow(
      new ChildError('program ended early; it wrote:\n  no such thing\n'),
    );
  });

  test('a program that says nothing is not ready in time', async () => {
    await using child = node('setInterval(() => {}, 1e6)');
    await expect(child.matches(/x/, 1, 50)).rejects.toThrow('program was not ready after 0.05 s');
  });

  test('a program that does not exist fails like one that ended', async () => {
    await using child = new Child('program', ['/does/not/exist'], systemClock);
    await expect(child.matches(/x/, 1, 5000)).rejects.toThrow('ENOENT');
  });

  test('until repeats a check that throws or has no value yet', async () => {
    await using child = node('setInterval(() => {}, 1e6)');
    let calls = 0;
    const check = async () => {
      calls += 1;
      if (calls === 1) throw new Error('not yet');
      return calls > 2 ? 'there' : undefined;
    };
    expect(await child.until(check, 5000, new AbortController().signal)).toBe('there');
    await expect(child.until(async () => undefined, 60_000, AbortSignal.abort())).rejects.toThrow(
      'interrupted',
    );
  });

  test('stops on dispose', async () => {
    const child = node('setInterval(() => {}, 1e6)');
    await child[Symbol.asyncDispose]();
    expect(child.hasExited).toBe(true);
  });
});
