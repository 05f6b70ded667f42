import type { Filter } from '../../framework/filter.ts';
import type { Screener } from '../../framework/hooks.ts';
import type { Picker } from '../../framework/picker.ts';
import type { PluginKind } from '../../framework/plugin.ts';
import type { Scorer } from '../../framework/scorer.ts';
import { HOOK_PROPERTIES } from './hook-properties.ts';
import type { Sample } from './sample.ts';

/** Something that holds for every plugin of a kind, whatever the situation. */
export interface ContractProperty<Instance> {
  /** As a statement. */
  readonly name: string;
  /** How it does not hold; undefined when it does. What it throws is a failure too. */
  check(plugin: Instance, sample: Sample): string | undefined | Promise<string | undefined>;
}

type Checks<Instance> = readonly ContractProperty<Instance>[];

const CATEGORIES: readonly string[] = ['affinity', 'distribution', 'balance'];
/** Does not narrow: what plugins return is to be looked at, not to be trusted. */
const isList: (value: unknown) => boolean = Array.isArray;
/** Stands behind the candidates in a buffer. */
const MARK = -7;

function scoresOf(scorer: Scorer, { request, candidates }: Sample): Float64Array {
  const out = new Float64Array(candidates.length);
  scorer.score(request, candidates, out);
  return out;
}

/** Contract of scorers. */
export const SCORER_PROPERTIES: Checks<Scorer> = [
  {
    name: 'its category says what it pulls towards',
    check: ({ category }) =>
      CATEGORIES.includes(category)
        ? undefined
        : `category is ${String(category)}, want ${CATEGORIES.join(', ')}`,
  },
  {
    name: 'scores lie in [0, 1]',
    check(scorer, sample) {
      const scores = scoresOf(scorer, sample);
      const wrong = scores.findIndex((score) => !(score >= 0 && score <= 1));
      return wrong < 0 ? undefined : `out[${wrong}] is ${scores[wrong]}`;
    },
  },
  {
    name: 'nothing is written past the candidates',
    check(scorer, { request, candidates }) {
      const out = new Float64Array(candidates.length + 4).fill(MARK, candidates.length);
      scorer.score(request, candidates, out);
      const wrong = out.findIndex((score, i) => i >= candidates.length && score !== MARK);
      return wrong < 0 ? undefined : `out[${wrong}] is ${out[wrong]} with ${candidates.length} candidates`;
    },
  },
  {
    name: 'the same request gets the same scores again',
    check(scorer, sample) {
      const [first, second] = [scoresOf(scorer, sample), scoresOf(scorer, sample)];
      const wrong = first.findIndex((score, i) => !Object.is(score, second[i]));
      return wrong < 0 ? undefined : `out[${wrong}] is ${first[wrong]}, then ${second[wrong]}`;
    },
  },
  {
    name: 'the candidates stay as they are',
    check: (scorer, sample) => unchanged(sample, () => void scoresOf(scorer, sample)),
  },
];

/** Contract of filters and, with `screen`, of screeners. */
function keepingProperties<Instance>(
  keep: (plugin: Instance, sample: Sample) => Sample['candidates'],
): Checks<Instance> {
  return [
    {
      name: 'it returns some of its candidates, in their order, none twice',
      check(plugin, sample) {
        const kept = keep(plugin, sample);
        if (!isList(kept)) return `it returned ${typeof kept}`;
        let last = -1;
        for (const one of kept) {
          const at = sample.candidates.indexOf(one);
          if (at < 0) return 'it returned an endpoint that is none of its candidates';
          if (at <= last) return `it returned candidate ${at} behind candidate ${last}`;
          last = at;
        }
        return undefined;
      },
    },
    {
      name: 'what it keeps it keeps again',
      check(plugin, sample) {
        const kept = keep(plugin, sample);
        const again = keep(plugin, { ...sample, candidates: kept });
        return kept.length === again.length
          ? undefined
          : `it kept ${kept.length}, of these then ${again.length}`;
      },
    },
    {
      name: 'the candidates stay as they are',
      check: (plugin, sample) => unchanged(sample, () => void keep(plugin, sample)),
    },
  ];
}

/** Contract of filters. */
export const FILTER_PROPERTIES: Checks<Filter> = keepingProperties((filter, { request, candidates }) =>
  filter.filter(request, candidates),
);

/** Contract of pickers. */
export const PICKER_PROPERTIES: Checks<Picker> = [
  {
    name: 'it picks at least one of its candidates, none twice',
    check(picker, { candidates, totals }) {
      // longer than the candidates, as buffers of the engine are; what lies behind must not matter
      const picked = picker.pick(candidates, Float64Array.of(...totals, 1e9, 1e9));
      if (!isList(picked)) return `it returned ${typeof picked}`;
      if (picked.length === 0 && candidates.length > 0) return 'it picked nobody';
      if (picked.some((one) => !candidates.includes(one)))
        return 'it picked an endpoint that is none of its candidates';
      return new Set(picked).size === picked.length ? undefined : 'it picked a candidate twice';
    },
  },
  {
    name: 'candidates and totals stay as they are',
    check(picker, sample) {
      const totals = sample.totals.slice();
      const change = unchanged(sample, () => void picker.pick(sample.candidates, totals));
      const wrong = totals.findIndex((total, i) => total !== sample.totals[i]);
      return change ?? (wrong < 0 ? undefined : `totals[${wrong}] was changed`);
    },
  },
  {
    name: 'two picks share no list',
    check(picker, { candidates, totals }) {
      if (candidates.length === 0) return undefined;
      const first = picker.pick(candidates, totals);
      const kept = [...first];
      const second = picker.pick(candidates, totals);
      const isKept =
        first !== second && first.length === kept.length && first.every((one, i) => one === kept[i]);
      return isKept ? undefined : 'the list of the first pick changed';
    },
  },
];

/** What `run` did to the list of candidates. */
function unchanged({ candidates }: Sample, run: () => void): string | undefined {
  const before = [...candidates];
  run();
  if (candidates.length !== before.length)
    return `it left ${candidates.length} of ${before.length} in the list`;
  const wrong = candidates.findIndex((one, i) => one !== before[i]);
  return wrong < 0 ? undefined : `another endpoint stands at ${wrong} in the list it was given`;
}

/** All contracts by kind; a kind without one is only created. */
export const PROPERTIES: { readonly [K in PluginKind]?: Checks<never> } = {
  ...HOOK_PROPERTIES,
  scorer: SCORER_PROPERTIES,
  filter: FILTER_PROPERTIES,
  picker: PICKER_PROPERTIES,
  screener: keepingProperties((plugin: Screener, { request, candidates }) =>
    plugin.screen(request, candidates),
  ),
};
