import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../../test/support/fake-clock.ts';
import { effectiveConfiguration } from '../../config/effective.ts';
import { loadConfiguration } from '../../config/load.ts';
import { CATALOGUE } from '../../plugins/catalogue.ts';
import type { CommandIo } from '../../util/command-io.ts';
import { UsageError } from '../../util/command-options.ts';
import { compareCommand } from './command.ts';
import { configured, LMETRIC_TEXT, POLICIES, type Policy } from './policies.ts';
import { hasIdleServer } from './report.ts';
import { type RunResult, runWorkload } from './run.ts';
import { WORKLOADS, type Workload, workload } from './workloads.ts';

const WARM_UP = 80;
const MEASURED = 120;
const SEED = 1;

function policy(name: string): Policy {
  const found = POLICIES.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no policy ${name}`);
  return found;
}

async function outcome(traffic: Workload, by: Policy): Promise<RunResult> {
  const lines: string[] = [];
  const result = await runWorkload(traffic, by, {
    seed: SEED,
    warmUp: WARM_UP,
    signal: new AbortController().signal,
    onProgress: () => {},
    onLog: (line) => lines.push(line),
  });
  expect(lines).toEqual([]);
  return result;
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

describe.each(WORKLOADS)('workload %s', (name) => {
  const traffic = workload(name, WARM_UP + MEASURED, { seed: SEED });

  test('every policy answers every request; LMETRIC finds more in caches than round robin and uses all servers', async () => {
    const results = new Map<string, RunResult>();
    for (const one of POLICIES) results.set(one.name, await outcome(traffic, one));
    for (const result of results.values()) {
      expect(result.answered).toBe(MEASURED);
      expect(result.ttftMs).toHaveLength(MEASURED);
      expect(sum(result.requests)).toBe(MEASURED);
      expect(result.ttftMs.every((ms, i) => ms > 0 && ms >= (result.ttftMs[i - 1] ?? 0))).toBe(true);
    }
    const lmetric = results.get('LMETRIC');
    const roundRobin = results.get('round robin');
    if (lmetric === undefined || roundRobin === undefined) throw new Error('a policy is missing');
    expect(hasIdleServer(lmetric)).toBe(false);
    // of `mixed` every server keeps what is shared, and most tokens are in prompts that nobody shares
    if (name !== 'mixed') expect(lmetric.hitRate).toBeGreaterThan(roundRobin.hitRate);
    expect(Math.max(...roundRobin.requests) - Math.min(...roundRobin.requests)).toBeLessThanOrEqual(1);
  });

  test('arrivals are in order, at about the rate, and the same again by seed', () => {
    const times = traffic.arrivals.map(({ atMs }) => atMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    const seconds = (times.at(-1) ?? 0) / 1000;
    expect(times.length / seconds / traffic.ratePerSecond).toBeGreaterThan(0.75);
    expect(times.length / seconds / traffic.ratePerSecond).toBeLessThan(1.35);
    expect(workload(name, WARM_UP + MEASURED, { seed: SEED })).toEqual(traffic);
    expect(workload(name, 20, { seed: SEED + 1 }).arrivals).not.toEqual(traffic.arrivals.slice(0, 20));
  });
});

test('the same run again gives the same result to the last digit', async () => {
  const traffic = workload('multi-turn', WARM_UP + MEASURED, { seed: SEED });
  const first = await outcome(traffic, policy('LMETRIC'));
  expect(await outcome(traffic, policy('LMETRIC'))).toEqual(first);
});

test('later turns of a conversation find the answer before them in the cache of their server', async () => {
  const traffic = workload('multi-turn', WARM_UP + MEASURED, { seed: SEED });
  const bodies = traffic.arrivals.map(
    ({ body }) => JSON.parse(body.toString()) as { messages: readonly { role: string; content: string }[] },
  );
  const later = bodies.find(({ messages }) => messages.length > 2);
  expect(later?.messages.map(({ role }) => role).slice(0, 4)).toEqual([
    'system',
    'user',
    'assistant',
    'user',
  ]);
  const { hitRate } = await outcome(traffic, policy('LMETRIC'));
  expect(hitRate).toBeGreaterThan(0.7);
});

test('a stop ends a run', async () => {
  const traffic = workload('hot', 200, { seed: SEED });
  const stop = new AbortController();
  const result = await runWorkload(traffic, policy('LMETRIC'), {
    seed: SEED,
    warmUp: 0,
    signal: stop.signal,
    onProgress: (answered) => answered === 20 && stop.abort(),
    onLog: () => {},
  });
  expect(result.answered).toBeGreaterThanOrEqual(20);
  expect(result.answered).toBeLessThan(200);
});

test('LMETRIC is config/examples/lmetric.yaml', () => {
  const [ours, example] = [LMETRIC_TEXT, readFileSync('config/examples/lmetric.yaml', 'utf8')].map((text) => {
    const { document } = loadConfiguration(text, { catalogue: CATALOGUE });
    if (document === undefined) throw new Error('not loaded');
    return effectiveConfiguration(document);
  });
  expect(ours).toBe(example);
});

test('a configuration with mistakes names them', async () => {
  const broken = configured('mine', 'mine.yaml', { text: 'plugins: [{type: no-such-scorer}]', file: '' });
  await expect(outcome(workload('hot', 1, { seed: SEED }), broken)).rejects.toThrow(UsageError);
  await expect(outcome(workload('hot', 1, { seed: SEED }), broken)).rejects.toThrow(/no-such-scorer/);
});

describe('the command', () => {
  async function command(argv: readonly string[], isTerminal = false) {
    const written = { out: '', err: '' };
    const io: CommandIo = {
      out: (text) => {
        written.out += text;
      },
      err: (text) => {
        written.err += text;
      },
      isTerminal,
      env: {},
      self: [],
      signal: new AbortController().signal,
      clock: new FakeClock(),
    };
    return { status: await compareCommand(['--compare', ...argv], io), ...written };
  }
  const SMALL = ['--requests', '50', '--workloads', 'hot'];

  test('prints a table, plain where there is no terminal', async () => {
    const { status, out, err } = await command(SMALL);
    expect(status).toBe(0);
    expect(err).toBe('');
    expect(out).toMatch(/^hot: .*; 12 requests\/s$/m);
    expect(out).toMatch(/^round robin +\d+ ms +\d+ ms +\d+ ms +\d+ % {2}\d+ \/ \d+ \/ \d+ \/ \d+$/m);
    expect(out).toMatch(/^LMETRIC /m);
    expect(out).not.toContain('\u001B');
  });

  test('colours and progress are for terminals', async () => {
    const { out, err } = await command(SMALL, true);
    expect(out).toContain('\u001B[32m');
    expect(err).toContain('hot, LMETRIC: 50/60 answers');
    expect(err.endsWith('\r\u001B[K')).toBe(true);
  });

  test('writes JSON for machines, a picture, and compares a file', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'compare-'));
    const svg = join(directory, 'picture.svg');
    const config = join(directory, 'mine.yaml');
    writeFileSync(config, readFileSync('config/examples/queue-only.yaml'));
    const { status, out } = await command([...SMALL, '--json', '--svg', svg, '--config', config]);
    expect(status).toBe(0);
    const value = JSON.parse(out) as { workloads: { policies: { name: string; answered: number }[] }[] };
    const [only] = value.workloads;
    expect(only?.policies.map(({ name }) => name)).toEqual(['round robin', '2/2/3', 'LMETRIC', 'mine']);
    expect(only?.policies.every(({ answered }) => answered === 50)).toBe(true);
    const drawn = readFileSync(svg, 'utf8');
    expect(drawn.match(/height="18"/g)).toHaveLength(4);
    for (const text of ['>hot<', '>mine<', '>LMETRIC<']) expect(drawn).toContain(text);
    rmSync(directory, { recursive: true });
  });

  test.each([
    [['--workloads', 'cold'], /--workloads: got "cold"/],
    [['--config', '/does/not/exist'], /--config: ENOENT/],
    [['--request', '1'], /unknown option/],
  ])('%j is refused', async (argv, message) => {
    const { status, err } = await command(argv);
    expect(status).toBe(2);
    expect(err).toMatch(message);
  });

  test('--help says that time is virtual', async () => {
    const { status, out } = await command(['--help']);
    expect(status).toBe(0);
    expect(out).toContain('Time is virtual');
  });
});
