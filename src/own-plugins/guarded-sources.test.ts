import { describe, expect, test } from 'vitest';
import { endpoint, request } from '../../test/support/builders.ts';
import { guarded } from '../../test/support/guarded.ts';
import type { PollSource } from '../framework/data-source.ts';
import type { EndpointDiscovery, PoolWriter } from '../framework/discovery.ts';
import type { ResponseBodyHook } from '../framework/hooks.ts';
import type { Parser } from '../framework/parser.ts';
import { InferenceResponse } from '../framework/response.ts';
import { originNow } from './origin.ts';

const a = endpoint();
const NEVER = { signal: new AbortController().signal };

describe('sources', () => {
  const bytes = new Uint8Array([1]);
  const polled = (poll: () => unknown) => {
    const { plugin, errors } = guarded<PollSource>(['source'], {
      payload: 'prometheus',
      intervalMs: 0,
      poll,
    });
    return { plugin, errors, page: plugin.poll(a, new AbortController().signal) };
  };

  test.each([
    { name: 'a promise of bytes', poll: async () => bytes },
    { name: 'bytes', poll: () => bytes },
  ])('$name is a page', async ({ poll }) => {
    const { page, errors } = polled(poll);
    expect(await page).toBe(bytes);
    expect(errors('Source')).toBe(0);
  });

  test.each([
    { name: 'nothing', poll: (): unknown => undefined },
    { name: 'a number', poll: (): unknown => 5 },
    { name: 'a promise of something else', poll: (): unknown => Promise.resolve({ bad: true }) },
  ])('$name is a failed poll, and counted', async ({ poll }) => {
    const { page, errors } = polled(poll);
    await expect(page).rejects.toThrow('poll returned no bytes');
    expect(errors('Source')).toBe(1);
  });

  test('a poll that throws is rejected as it is, and the poller’s to count', async () => {
    const { page, errors } = polled(() => {
      throw new Error('refused');
    });
    await expect(page).rejects.toThrow('refused');
    expect(errors('Source')).toBe(0);
  });

  test('release need not be there, and may throw', () => {
    polled(() => bytes).plugin.release(a);
    const release = () => {
      throw new Error('boom');
    };
    const { plugin, errors } = guarded<PollSource>(['source'], { release });
    plugin.release(a);
    expect(errors('Source')).toBe(1);
  });
});

describe('what a plugin starts', () => {
  const mine = { plugin: 'mine', pluginType: 'my-type' };

  test('is known as its own, in guarded and other methods', async () => {
    const later = () => Promise.resolve().then(originNow);
    const { plugin } = guarded<{ produce: () => Promise<unknown>; other: () => Promise<unknown> }>(
      ['producer'],
      {
        produce: () => later().then((origin) => seen.push(origin)),
        other: later,
      },
    );
    const seen: unknown[] = [];
    await Reflect.apply(plugin.produce, plugin, [request(), [a], NEVER]);
    expect([seen, await plugin.other(), originNow()]).toEqual([[mine], mine, undefined]);
  });

  test('is the program’s own where a discovery reports', async () => {
    const origins: unknown[] = [];
    const writer: PoolWriter = {
      replaceAll: () => void origins.push(originNow()),
      replaceObjectives: () => {},
    };
    const start = async (given: PoolWriter) => {
      given.replaceAll([]);
      origins.push(originNow());
    };
    const { plugin } = guarded<EndpointDiscovery>(['discovery'], { start });
    await plugin.start(writer, NEVER.signal);
    expect(origins).toEqual([undefined, mine]);
  });
});

describe('readers of responses', () => {
  const response = new InferenceResponse();
  const readerOf = (reader: unknown) => {
    const { plugin, errors } = guarded<Parser>(['parser'], { createResponseReader: () => reader });
    return { reader: plugin.createResponseReader?.(request(), response), errors };
  };

  test('what they read arrives', () => {
    const calls: unknown[] = [];
    const { reader } = readerOf({
      push: (...args: unknown[]) => calls.push(args),
      finish: () => calls.push('end'),
    });
    reader?.push(Buffer.from('x'), false);
    reader?.finish();
    expect(calls).toEqual([[Buffer.from('x'), false], 'end']);
  });

  test('one that throws is counted once and asked nothing more', () => {
    let calls = 0;
    const push = () => {
      calls += 1;
      throw new Error('boom');
    };
    const { reader, errors } = readerOf({ push, finish: push });
    reader?.push(Buffer.from('x'), false);
    reader?.finish();
    expect([calls, errors('Parser')]).toEqual([1, 1]);
  });

  test.each([{ given: null }, { given: {} }, { given: Promise.resolve() }])('$given is none', ({ given }) => {
    const { reader, errors } = readerOf(given);
    expect([reader, errors('Parser')]).toEqual([undefined, 1]);
  });

  test('none at all is right', () => {
    const { reader, errors } = readerOf(undefined);
    expect([reader, errors('Parser')]).toEqual([undefined, 0]);
  });

  test.each([null, 5, {}, { namespace: 'n', key: 'k', value: Number.NaN }])(
    '%s is no final metadata',
    (entry) => {
      const { plugin } = guarded<ResponseBodyHook>(['response-body'], { finalMetadata: () => entry });
      expect(() => plugin.finalMetadata?.(request(), response)).toThrow('finalMetadata returned no entry');
    },
  );
});
