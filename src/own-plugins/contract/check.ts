import type { PluginKind } from '../../framework/plugin.ts';
import type { Clock } from '../../util/clock.ts';
import { SeededRng } from '../../util/rng.ts';
import { CONFINED_KINDS, Confinement, type DataScope } from '../confinement.ts';
import { faultText } from '../fault.ts';
import { type ContractProperty, PROPERTIES } from './properties.ts';
import { type Fill, type Sample, sample, sampleOf, sampleText, without } from './sample.ts';

/** A plugin whose contract is checked. */
export interface Subject {
  readonly kinds: readonly PluginKind[];
  readonly scope: DataScope;
  /** An instance that has seen nothing. */
  create(): object;
}

/** How the check is made; the same seed gives the same situations. */
export interface CheckOptions {
  readonly seed: number;
  /** Situations for each property. */
  readonly runs: number;
  readonly clock: Clock;
  readonly fill?: Fill;
}

/** What came of one property of one kind. */
export interface Finding {
  readonly kind: PluginKind;
  readonly property: string;
  /** Undefined when it holds. */
  readonly failure: { readonly reason: string; readonly counterexample: string } | undefined;
}

type AnyProperty = ContractProperty<never>;

/** One call with so many endpoints must stay within the budget of a call. */
const MANY_ENDPOINTS = 1000;
const MAX_CALL_MS = 20;
const TIMED_RUNS = 5;

/** Kinds whose calls grow with the pool. */
const TIMED_KINDS: readonly PluginKind[] = [
  'filter',
  'scorer',
  'picker',
  'screener',
  'admitter',
  'saturation-detector',
];

/** Checks every property of every kind of a plugin; nothing that the plugin does makes it reject. */
export async function checkContract(subject: Subject, options: CheckOptions): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  for (const kind of subject.kinds) {
    const properties: AnyProperty[] = [...(PROPERTIES[kind] ?? [])];
    const call = properties[1] ?? properties[0];
    if (call !== undefined && CONFINED_KINDS.includes(kind)) properties.push(declares(call, subject.scope));
    for (const property of properties) {
      const failure = await searchFailure(subject, property, options);
      findings.push({ kind, property: property.name, failure });
    }
    if (call !== undefined && TIMED_KINDS.includes(kind)) {
      findings.push(await checkTime(subject, kind, { property: call, options }));
    }
  }
  return findings;
}

/** A property of a plugin with these dependencies, seen while `call` is checked. */
export function declares<Instance>(
  call: ContractProperty<Instance>,
  scope: DataScope,
): ContractProperty<Instance> {
  const confinement = new Confinement(scope);
  return {
    name: 'it touches only data that its dependencies declare',
    async check(plugin, one) {
      const seen = new Set<string>();
      await confinement.run(
        () => call.check(plugin, one),
        ({ access, data }) => seen.add(access === 'read' ? `read ${data}` : `wrote ${data}`),
      );
      return seen.size === 0 ? undefined : `it ${[...seen].join(', ')}`;
    },
  };
}

async function searchFailure(
  subject: Subject,
  property: AnyProperty,
  options: CheckOptions,
): Promise<Finding['failure']> {
  const rng = new SeededRng(options.seed);
  const plugin = subject.create();
  for (let run = 0; run < options.runs; run += 1) {
    const one = sample(rng, run);
    options.fill?.(one, rng);
    const reason = await failureOf(plugin, property, one);
    if (reason !== undefined) return shrink(subject, property, { sample: one, reason });
  }
  return undefined;
}

/** Leaves out candidates as long as an instance that has seen nothing fails without them too. */
async function shrink(
  subject: Subject,
  property: AnyProperty,
  found: { readonly sample: Sample; readonly reason: string },
): Promise<Finding['failure']> {
  let { sample: smallest, reason } = found;
  for (let i = smallest.candidates.length - 1; i >= 0; i -= 1) {
    const smaller = without(smallest, i);
    const still = await failureOf(subject.create(), property, smaller);
    if (still !== undefined) [smallest, reason] = [smaller, still];
  }
  return { reason, counterexample: sampleText(smallest) };
}

async function failureOf(plugin: object, property: AnyProperty, one: Sample): Promise<string | undefined> {
  try {
    // the candidates are the plugin's own: what it does to the list must not hide in the counterexample
    const given: Sample = { ...one, candidates: [...one.candidates] };
    return await property.check(plugin as never, given); // it is of the property's kind
  } catch (error) {
    return `it threw: ${faultText(error)}`;
  }
}

async function checkTime(
  subject: Subject,
  kind: PluginKind,
  { property, options }: { readonly property: AnyProperty; readonly options: CheckOptions },
): Promise<Finding> {
  const rng = new SeededRng(options.seed);
  const one = sampleOf(rng, MANY_ENDPOINTS);
  options.fill?.(one, rng);
  const plugin = subject.create();
  let bestMs = Number.POSITIVE_INFINITY;
  for (let run = 0; run < TIMED_RUNS; run += 1) {
    const startMs = options.clock.nowMs();
    await failureOf(plugin, property, one);
    bestMs = Math.min(bestMs, options.clock.nowMs() - startMs);
  }
  const failure =
    bestMs <= MAX_CALL_MS
      ? undefined
      : { reason: `it took ${bestMs.toFixed(1)} ms`, counterexample: `${MANY_ENDPOINTS} candidates` };
  return { kind, property: `${MANY_ENDPOINTS} endpoints take at most ${MAX_CALL_MS} ms`, failure };
}

/** The findings for people: one line for each property, below it the counterexample. */
export function findingsText(findings: readonly Finding[]): string {
  return findings
    .map(({ kind, property, failure }) => {
      const line = `  ${failure === undefined ? 'ok  ' : 'FAIL'}  ${kind}: ${property}`;
      if (failure === undefined) return `${line}\n`;
      const lines = [`${failure.reason}, with`, ...failure.counterexample.split('\n')];
      return `${line}\n${lines.map((text) => `          ${text}\n`).join('')}`;
    })
    .join('');
}
