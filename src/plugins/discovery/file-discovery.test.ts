import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  watch,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { context, type RecordingLog } from '../../../test/support/builders.ts';
import type { Objectives, PoolWriter } from '../../framework/discovery.ts';
import type { EndpointMetadata } from '../../framework/endpoint.ts';
import { ConfigurationError } from '../../framework/errors.ts';
import { systemClock } from '../../util/clock.ts';
import { fileDiscovery } from './file-discovery.ts';

/** Keeps what was reported. */
class RecordingWriter implements PoolWriter {
  endpoints: readonly EndpointMetadata[] | undefined;
  objectives: Objectives = new Map();
  /** How often the pool was replaced. */
  passes = 0;

  replaceAll(endpoints: readonly EndpointMetadata[]): void {
    this.endpoints = endpoints;
    this.passes += 1;
  }

  replaceObjectives(objectives: Objectives): void {
    this.objectives = objectives;
  }

  /** `name:port` of each endpoint, sorted. */
  get summary(): string {
    return (this.endpoints ?? [])
      .map((endpoint) => `${endpoint.name}:${endpoint.port}`)
      .sort()
      .join(' ');
  }
}

let directory = '';
let path = '';
let stop = new AbortController();
let writer = new RecordingWriter();

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'file-discovery-'));
  path = join(directory, 'endpoints.yaml');
  stop = new AbortController();
  writer = new RecordingWriter();
});

afterEach(() => {
  stop.abort();
  rmSync(directory, { recursive: true });
});

/** A file of endpoints on one host with these names and ports. */
function pool(ports: Record<string, number | string>): string {
  const entries = Object.entries(ports).map(
    ([name, port]) => `- {name: ${name}, address: 10.0.0.1, port: ${port}}`,
  );
  return `endpoints:\n${entries.join('\n') || '[]'}\n`;
}

async function start(parameters: object = {}, clock: typeof systemClock = systemClock) {
  const plugin = { ...context('file-discovery'), clock };
  const discovery = fileDiscovery.create(fileDiscovery.params.parse({ path, ...parameters }), plugin);
  await discovery.start(writer, stop.signal);
  return { discovery, log: plugin.log as RecordingLog };
}

async function expectPool(summary: string): Promise<void> {
  await expect.poll(() => writer.summary, { timeout: 4_000, interval: 10 }).toBe(summary);
}

describe('the first pass', () => {
  test('reports the pool and the objectives', async () => {
    writeFileSync(path, `${pool({ a: 1, b: '"2"' })}objectives: [{name: fast, priority: 7}]\n`);
    const { discovery } = await start();
    expect(writer.summary).toBe('a:1 b:2');
    expect(writer.objectives).toEqual(new Map([['fast', 7]]));
    expect(discovery.dumpState()).toEqual({
      endpoints: ['default/a', 'default/b'],
      totalEndpoints: 2,
      maxEndpoints: 100,
    });
  });

  test('an empty list is a pool', async () => {
    writeFileSync(path, 'endpoints: []\n');
    await start();
    expect(writer.endpoints).toEqual([]);
  });

  test('leaves out a bad entry with a warning', async () => {
    writeFileSync(path, pool({ a: 1, b: 0 }));
    const { log } = await start();
    expect(writer.summary).toBe('a:1');
    expect(log.lines.filter((line) => line.level === 'warn')).toEqual([
      {
        level: 'warn',
        fields: { path, line: 3, problem: 'endpoint "b": invalid port "0", want 1 to 65535' },
        message: 'entry of the endpoints file is left out',
      },
    ]);
  });

  test.each([
    {
      name: 'a bad entry, when strict',
      content: pool({ a: 0 }),
      strict: true,
      message: /line 2: endpoint "a"/,
    },
    { name: 'no YAML', content: 'endpoints: [', strict: false, message: /line 1/ },
    { name: 'an empty file', content: '', strict: false, message: /got no mapping/ },
    {
      name: 'more than 1 MiB',
      content: `#${'x'.repeat(2 ** 20)}`,
      strict: false,
      message: /exceeds 1 MiB limit/,
    },
  ])('fails for $name', async ({ content, strict, message }) => {
    writeFileSync(path, content);
    const started = start({ strict, watchFile: true });
    await expect(started).rejects.toThrow(ConfigurationError);
    await expect(started).rejects.toThrow(/^file-discovery: initial load failed: /);
    await expect(started).rejects.toThrow(message);
    expect(writer.endpoints).toBeUndefined();
  });

  test('fails without a file', async () => {
    await expect(start()).rejects.toThrow(/cannot read endpoints file .*ENOENT/);
  });

  test('a file of exactly 1 MiB is read', async () => {
    const text = pool({ a: 1 });
    writeFileSync(path, `${text}#${'x'.repeat(2 ** 20 - text.length - 1)}`);
    await start();
    expect(writer.summary).toBe('a:1');
  });

  test('the state lists at most 100 endpoints', async () => {
    writeFileSync(path, pool(Object.fromEntries(Array.from({ length: 120 }, (_, i) => [`e${i}`, i + 1]))));
    const { discovery } = await start();
    expect(discovery.dumpState()).toMatchObject({ totalEndpoints: 120, maxEndpoints: 100 });
    expect((discovery.dumpState() as { endpoints: string[] }).endpoints).toHaveLength(100);
  });
});

describe('following changes', () => {
  test('not unless asked to', async () => {
    writeFileSync(path, pool({ a: 1 }));
    await start();
    writeFileSync(path, pool({ a: 2 }));
    await start({ watchFile: true });
    expect(writer.passes).toBe(2);
  });

  test('written in place, several times', async () => {
    writeFileSync(path, pool({ a: 1 }));
    await start({ watchFile: true });
    for (let port = 2; port < 5; port += 1) {
      writeFileSync(path, pool({ a: port }));
      await expectPool(`a:${port}`);
    }
  });

  test('replaced by a rename, several times', async () => {
    writeFileSync(path, pool({ a: 1 }));
    await start({ watchFile: true });
    for (let port = 2; port < 5; port += 1) {
      writeFileSync(`${path}.new`, pool({ a: port }));
      renameSync(`${path}.new`, path);
      await expectPool(`a:${port}`);
    }
  });

  test('deleted and made again: keeps the pool in between', async () => {
    writeFileSync(path, pool({ a: 1 }));
    const { log } = await start({ watchFile: true });
    unlinkSync(path);
    await expect.poll(() => log.lines.at(-1)?.message).toBe('endpoints file is unusable, nothing changes');
    expect(writer.summary).toBe('a:1');
    writeFileSync(path, pool({ b: 1 }));
    await expectPool('b:1');
  });

  test('a ConfigMap, which is swapped by a symbolic link', async () => {
    const version = (name: string, ports: Record<string, number>) => {
      mkdirSync(join(directory, name));
      writeFileSync(join(directory, name, 'endpoints.yaml'), pool(ports));
    };
    version('..2026_1', { a: 1 });
    symlinkSync('..2026_1', join(directory, '..data'));
    symlinkSync(join('..data', 'endpoints.yaml'), path);
    await start({ watchFile: true });
    for (let port = 2; port < 5; port += 1) {
      version(`..2026_${port}`, { a: port });
      symlinkSync(`..2026_${port}`, join(directory, '..data_tmp'));
      renameSync(join(directory, '..data_tmp'), join(directory, '..data'));
      rmSync(join(directory, `..2026_${port - 1}`), { recursive: true });
      await expectPool(`a:${port}`);
    }
  });

  test('a link into another directory, whose file is written', async () => {
    const elsewhere = join(directory, 'elsewhere');
    mkdirSync(elsewhere);
    writeFileSync(join(elsewhere, 'real.yaml'), pool({ a: 1 }));
    symlinkSync(join(elsewhere, 'real.yaml'), path);
    await start({ watchFile: true });
    writeFileSync(join(elsewhere, 'real.yaml'), pool({ a: 2 }));
    await expectPool('a:2');
  });

  test('a directory that was removed and came back is found by the slow poll', async () => {
    const inner = join(directory, 'inner');
    mkdirSync(inner);
    path = join(inner, 'endpoints.yaml');
    writeFileSync(path, pool({ a: 1 }));
    const { clock } = context('file-discovery');
    await start({ watchFile: true }, clock);
    rmSync(inner, { recursive: true });
    mkdirSync(inner);
    writeFileSync(path, pool({ a: 2 }));
    await expect
      .poll(
        async () => {
          await clock.advanceAsync(5_000, 1_000);
          return writer.summary;
        },
        { interval: 5 },
      )
      .toBe('a:2');
  });

  test('many events are one reload, the same content is none', async () => {
    writeFileSync(path, pool({ a: 1 }));
    await start({ watchFile: true });
    for (let i = 0; i < 20; i += 1) writeFileSync(path, pool({ a: 2, b: i + 1 }));
    await expectPool('a:2 b:20');
    expect(writer.passes).toBe(2);
    writeFileSync(path, pool({ a: 2, b: 20 }));
    writeFileSync(join(directory, 'neighbour'), 'x');
    writeFileSync(path, pool({ a: 2, b: 21 }));
    await expectPool('a:2 b:21');
    expect(writer.passes).toBe(3);
  });

  test('a broken file changes nothing and is named once', async () => {
    writeFileSync(path, pool({ a: 1 }));
    const { log } = await start({ watchFile: true });
    const warnings = () => log.lines.filter((line) => line.level === 'warn').length;
    for (const content of ['endpoints: [', 'endpoints: [ ', '']) {
      writeFileSync(path, content);
      await expect.poll(warnings).toBeGreaterThan(0);
      expect(writer.summary).toBe('a:1');
    }
    writeFileSync(path, 'endpoints: []\n');
    await expectPool('');
    expect(warnings()).toBeLessThanOrEqual(2);
  });

  test('an entry that became unusable stays as it was; one that is gone leaves', async () => {
    writeFileSync(
      path,
      `${pool({ a: 1, b: 2, c: 3 })}objectives: [{name: o, priority: 1}, {name: p, priority: 2}]\n`,
    );
    await start({ watchFile: true });
    writeFileSync(path, `${pool({ a: 9, b: 0 })}objectives: [{name: o, priority: x}]\n`);
    await expectPool('a:9 b:2');
    expect(writer.objectives).toEqual(new Map([['o', 1]]));
  });

  test('strict: one bad entry refuses the whole change', async () => {
    writeFileSync(path, pool({ a: 1, b: 2 }));
    const { log } = await start({ watchFile: true, strict: true });
    writeFileSync(path, pool({ a: 9, b: 0 }));
    await expect.poll(() => log.lines.at(-1)?.level).toBe('warn');
    expect(writer.summary).toBe('a:1 b:2');
  });

  test('nothing is reported after the stop, and nothing is left behind', async () => {
    writeFileSync(path, pool({ a: 1 }));
    const { clock } = context('file-discovery');
    await start({ watchFile: true }, clock);
    stop.abort();
    expect(clock.pendingTimers).toBe(0);
    const own = watch(directory);
    const seen = once(own, 'change');
    writeFileSync(path, pool({ a: 2 }));
    await seen;
    own.close();
    expect(clock.pendingTimers).toBe(0);
    await clock.advanceAsync(20_000, 1_000);
    expect(writer.summary).toBe('a:1');
  });
});

test.each([
  [{ path: undefined }, /'path' parameter is required/],
  [{ path: '' }, /'path' parameter is required/],
  [{ path: 'x', watch: true }, /watch/],
])('parameters %j are refused', (parameters, message) => {
  expect(() => fileDiscovery.params.parse(parameters)).toThrow(message);
});
