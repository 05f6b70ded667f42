/**
 * What tests of a plugin of one's own may import: `import { endpoint, request } from 'endpoint-picker/testing'`. Real
 * values with plain defaults, and the contract that `epp validate --run-contract` checks (docs/write-a-plugin.md).
 */
import type { PluginContext, PluginDefinition } from './framework/plugin.ts';
import { checkContract, findingsText } from './own-plugins/contract/check.ts';
import { context } from './own-plugins/values.ts';
import { systemClock } from './util/clock.ts';

// biome-ignore lint/performance/noBarrelFile: what is published is one list
export {
  context,
  type EndpointOptions,
  endpoint,
  type RequestOptions,
  request,
  response,
} from './own-plugins/values.ts';

/** Situations for each property. */
const RUNS = 100;

/** An instance as a configuration with these `parameters` makes it; `given` replaces parts of its context. */
export function create<Params, Instance extends object>(
  definition: PluginDefinition<Params, Instance>,
  parameters: object = {},
  given: Partial<PluginContext> = {},
): Instance {
  return definition.create(definition.params.parse(parameters), context(given));
}

/** Throws when the plugin breaks the contract of one of its kinds; the message shows how. */
export async function assertContract<Params, Instance extends object>(
  definition: PluginDefinition<Params, Instance>,
  parameters: object = {},
): Promise<void> {
  const dependencies = definition.dependencies?.(definition.params.parse(parameters), definition.type) ?? {};
  const scope = { dependencies, produced: new Set<never>() };
  const subject = { kinds: definition.kinds, scope, create: () => create(definition, parameters) };
  const findings = await checkContract(subject, { seed: 1, runs: RUNS, clock: systemClock });
  const broken = findings.filter(({ failure }) => failure !== undefined);
  if (broken.length > 0) throw new Error(`${definition.type} breaks its contract\n${findingsText(broken)}`);
}
