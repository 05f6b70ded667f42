import { buildPipeline } from '../config/build.ts';
import { type PluginEntry, producedBy } from '../config/draft.ts';
import type { EndpointPickerConfig } from '../config/load.ts';
import { checkContract, findingsText } from '../own-plugins/contract/check.ts';
import type { Fill } from '../own-plugins/contract/sample.ts';
import { context } from '../own-plugins/values.ts';
import { inFlightLoadKey } from '../plugins/attributes/in-flight-load.ts';
import { prefixMatchKey } from '../plugins/attributes/prefix-match.ts';
import { TOKENIZED_PROMPT } from '../plugins/attributes/tokenized-prompt.ts';
import type { Clock } from '../util/clock.ts';
import { nextInt } from '../util/rng.ts';

/** What a contract is run on. */
export interface ContractInputs {
  /** Without problems. */
  readonly config: EndpointPickerConfig;
  readonly clock: Clock;
  readonly seed: number;
  /** Situations for each property. */
  readonly runs: number;
}

/** What came of it. */
export interface ContractReport {
  readonly text: string;
  readonly isKept: boolean;
}

/**
 * Checks every plugin of the configuration whose type a module defines against the contracts of its kinds, with situations
 * by chance; the same seed gives the same.
 */
export async function runContract({ config, clock, seed, runs }: ContractInputs): Promise<ContractReport> {
  const own = config.plugins.filter(({ module }) => module !== undefined);
  if (own.length === 0)
    return { text: 'contract: no plugin of the configuration is from a module\n', isKept: true };
  const produced = producedBy(config.plugins);
  const parts = [`contract: seed ${seed}, ${runs} situations for each property\n`];
  let isKept = true;
  for (const entry of own) {
    const { kinds, type } = entry.definition;
    const scope = { dependencies: entry.dependencies, produced };
    const subject = { kinds, scope, create: () => instanceOf(entry, config) };
    const findings = await checkContract(subject, { seed, runs, clock, fill });
    isKept &&= findings.every(({ failure }) => failure === undefined);
    parts.push(`${entry.name} (${type} of ${entry.module}): ${kinds.join(', ')}\n`, findingsText(findings));
    if (findings.length === 0) parts.push('  its kinds have no contract that can be run\n');
  }
  parts.push(isKept ? 'contract: kept\n' : 'contract: broken\n');
  return { text: parts.join(''), isKept };
}

/** A plugin that has seen nothing; those that it names are real too. */
function instanceOf(entry: PluginEntry, config: EndpointPickerConfig): object {
  const { definition, name, params } = entry;
  const named = config.references.get(entry);
  const others =
    named === undefined
      ? []
      : (buildPipeline(config, (other, type) => context({ name: other, type })).pipeline?.plugins ?? []);
  return definition.create(
    params,
    context({
      name,
      type: definition.type,
      plugin: (other) => {
        const found = others.find((one) => one.name === named?.get(other)?.name);
        if (found === undefined) throw new Error(`it does not declare that it refers to '${other}'`);
        return found.plugin;
      },
    }),
  );
}

const BLOCK_SIZE_TOKENS = 16;

/** Half of the situations have what the default producers find out; plugins must do without it too. */
const fill: Fill = ({ request, candidates }, rng) => {
  if (nextInt(rng, 2) === 0) return;
  const totalBlocks = nextInt(rng, 100);
  const slots = 1 + Math.max(-1, ...candidates.map((one) => one.slot));
  const matchBlocks = Int32Array.from({ length: slots }, () => nextInt(rng, totalBlocks + 1));
  request.attributes.set(prefixMatchKey(''), {
    matchBlocks,
    cachedBlocks: matchBlocks,
    totalBlocks,
    blockSizeTokens: BLOCK_SIZE_TOKENS,
  });
  const count = totalBlocks * BLOCK_SIZE_TOKENS;
  request.attributes.set(TOKENIZED_PROMPT, {
    prompts: [{ bytes: new Uint8Array(count * 4), count, features: [] }],
    count,
    cacheSalt: '',
  });
  for (const one of candidates) {
    one.attributes.set(inFlightLoadKey(''), { requests: nextInt(rng, 50), tokens: nextInt(rng, 100_000) });
  }
};
