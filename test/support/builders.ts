import fc from 'fast-check';
import type { Endpoint } from '../../src/framework/endpoint.ts';
import type { Instruments } from '../../src/framework/instruments.ts';
import type { Log } from '../../src/framework/log.ts';
import type { PluginContext } from '../../src/framework/plugin.ts';
import { endpoint } from '../../src/own-plugins/values.ts';
import { SeededRng } from '../../src/util/rng.ts';
import { FakeClock } from './fake-clock.ts';

// biome-ignore lint/performance/noBarrelFile: tests have their values from here, published or not
export {
  type EndpointOptions,
  endpoint,
  type RequestOptions,
  request,
} from '../../src/own-plugins/values.ts';

/** Any endpoint a scorer may meet. */
export const anyEndpoint: fc.Arbitrary<Endpoint> = fc
  .record({
    waitingQueueSize: fc.nat(100_000),
    runningRequestsSize: fc.nat(10_000),
    kvCacheUsage: fc.double({ min: 0, max: 1.5, noNaN: true }),
    maxActiveModels: fc.nat(8),
    activeModels: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')).map((names) => new Set(names)),
    waitingModels: fc.uniqueArray(fc.constantFrom('a', 'b', 'c')).map((names) => new Set(names)),
    labels: fc.dictionary(
      fc.constantFrom('llm-d.ai/role', 'zone'),
      fc.constantFrom('decode', 'prefill', 'x'),
    ),
  })
  .map((options) => endpoint(options));

/** A log that keeps what was written. */
export class RecordingLog implements Log {
  readonly lines: { level: string; fields: object; message: string }[] = [];

  error(fields: object, message: string): void {
    this.lines.push({ level: 'error', fields, message });
  }
  warn(fields: object, message: string): void {
    this.lines.push({ level: 'warn', fields, message });
  }
  info(fields: object, message: string): void {
    this.lines.push({ level: 'info', fields, message });
  }
  debug(fields: object, message: string): void {
    this.lines.push({ level: 'debug', fields, message });
  }
  trace(fields: object, message: string): void {
    this.lines.push({ level: 'trace', fields, message });
  }
  isLevelEnabled(): boolean {
    return true;
  }
}

/** Metrics that keep what was counted; any name and labels are taken. */
export class RecordingInstruments implements Instruments {
  readonly counters = new Map<string, { value: number }>();
  readonly observations = new Map<string, number[]>();
  readonly gauges = new Map<string, () => number>();

  counter(name: string, labels: Record<string, string>): { value: number } {
    const key = seriesKey(name, labels);
    const cell = this.counters.get(key) ?? { value: 0 };
    this.counters.set(key, cell);
    return cell;
  }

  histogram(name: string, labels: Record<string, string>): { observe(value: number): void } {
    const key = seriesKey(name, labels);
    const values = this.observations.get(key) ?? [];
    this.observations.set(key, values);
    return { observe: (value) => void values.push(value) };
  }

  gauge(name: string, labels: Record<string, string>, read: () => number): () => void {
    const key = seriesKey(name, labels);
    this.gauges.set(key, read);
    return () => void this.gauges.delete(key);
  }
}

function seriesKey(name: string, labels: Record<string, string>): string {
  const pairs = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${name}{${pairs.map(([label, value]) => `${label}="${value}"`).join(',')}}`;
}

/** What a plugin is created with in tests: real values, a clock that stands still, a fixed seed. */
export interface TestContext extends PluginContext {
  readonly clock: FakeClock;
  readonly log: RecordingLog;
  readonly instruments: RecordingInstruments;
}

/** A plugin context; `endpoints` is the pool it sees, `plugins` those that it may refer to. */
export function context(
  name = 'p',
  endpoints: readonly Endpoint[] = [],
  plugins: Readonly<Record<string, object>> = {},
): TestContext {
  return {
    name,
    type: name,
    clock: new FakeClock(),
    rng: new SeededRng(1),
    log: new RecordingLog(),
    instruments: new RecordingInstruments(),
    endpoints: () => endpoints,
    pools: 1,
    signal: new AbortController().signal,
    environment: {},
    plugin: (other) => {
      const found = Object.hasOwn(plugins, other) ? plugins[other] : undefined;
      if (found === undefined) throw new Error(`the test has no plugin '${other}'`);
      return found;
    },
  };
}
