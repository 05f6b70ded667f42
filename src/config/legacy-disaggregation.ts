import { entryOf, isNull, type MapEntry, type MapNode, withEntries } from './node.ts';
import type { PluginOutline } from './outline.ts';
import { parametersFrom } from './parameters.ts';
import type { ProblemList } from './problems.ts';

const HANDLER = 'pd-profile-handler';
const DECIDER = 'prefix-based-pd-decider';
const HEADER_WRITERS: ReadonlySet<string> = new Set(['disagg-headers-handler', 'prefill-header-handler']);
const ESTIMATED_CHARACTERS_PER_TOKEN = 4;

/**
 * Reads `pd-profile-handler` as releases before the deciders wrote it: its threshold becomes a decider's, and what keeps
 * it from splitting anything is said aloud (`llm-d-router` before v0.5).
 */
export function migrateDisaggregation(
  plugins: readonly PluginOutline[],
  problems: ProblemList,
): readonly PluginOutline[] {
  let migrated = plugins;
  for (const plugin of plugins) {
    if (plugin.type !== HANDLER) continue;
    migrated = migrateHandler(plugin, migrated, problems);
    if (plugins.some(({ type }) => HEADER_WRITERS.has(type))) continue;
    problems.warn(
      'no-disaggregation',
      { path: plugin.path, at: plugin.at },
      `${HANDLER} does not tell the decode endpoint where the prompt is computed: list disagg-headers-handler, or use disagg-profile-handler`,
    );
  }
  return migrated;
}

function migrateHandler(
  handler: PluginOutline,
  plugins: readonly PluginOutline[],
  problems: ProblemList,
): readonly PluginOutline[] {
  const parameters = handler.parameters?.kind === 'map' ? handler.parameters : undefined;
  const name = deciderOf(parameters);
  const decider = plugins.find((plugin) => (plugin.name || plugin.type) === name);
  const threshold = entryOf(parameters, 'threshold');
  const rest = plugins.map((plugin) =>
    plugin === handler && parameters !== undefined
      ? { ...handler, parameters: withEntries(parameters, parameters.entries.filter(isCurrent)) }
      : plugin,
  );
  if (threshold !== undefined && !isNull(threshold.value)) {
    return moveThreshold(handler, { threshold, name, decider }, rest, problems);
  }
  if (decider === undefined && name === DECIDER) {
    problems.warn(
      'no-disaggregation',
      { path: handler.path, at: handler.at },
      `${HANDLER} never splits prefill from decode: no ${DECIDER} is listed, and the one that is added has nonCachedTokens 0; list one with nonCachedTokens above 0`,
    );
  }
  return rest;
}

/** `hashBlockSize` said how a prompt is hashed; producers have a parameter of their own for that. */
function isCurrent({ key }: MapEntry): boolean {
  return key !== 'threshold' && key !== 'hashBlockSize';
}

/** Gives the threshold to the decider, which is added when none is listed; parameters that a listed one has win. */
function moveThreshold(
  handler: PluginOutline,
  move: {
    readonly threshold: MapEntry;
    readonly name: string;
    readonly decider: PluginOutline | undefined;
  },
  plugins: readonly PluginOutline[],
  problems: ProblemList,
): readonly PluginOutline[] {
  const { threshold, name, decider } = move;
  const { at } = threshold;
  const hasParameters = decider?.parameters?.kind === 'map' && decider.parameters.entries.length > 0;
  const isKept = decider !== undefined && (decider.type !== DECIDER || hasParameters);
  problems.warn(
    'deprecated-form',
    { path: [...handler.path, 'parameters', threshold.key], at },
    isKept
      ? `threshold of ${HANDLER} has moved to the decider '${name}', which is listed and wins`
      : `threshold of ${HANDLER} has moved to nonCachedTokens of ${DECIDER} and is applied there; it was characters, ${ESTIMATED_CHARACTERS_PER_TOKEN} to a token`,
  );
  if (isKept) return plugins;
  const entry: MapEntry = { key: 'nonCachedTokens', at, value: tokens(threshold) };
  const parameters = withEntries(parametersFrom({}, at), [entry]);
  if (decider !== undefined) {
    return plugins.map((plugin) => (plugin === decider ? { ...decider, parameters } : plugin));
  }
  return [
    ...plugins,
    {
      name,
      type: DECIDER,
      parameters,
      path: [...handler.path, 'parameters'],
      at,
      typeAt: at,
      nameAt: at,
      reason: `moved from the parameters of '${handler.name || handler.type}'`,
    },
  ];
}

function deciderOf(parameters: MapNode | undefined): string {
  const value = entryOf(parameters, 'deciderPluginName')?.value;
  return value?.kind === 'scalar' && typeof value.value === 'string' ? value.value : DECIDER;
}

function tokens({ value }: MapEntry): MapEntry['value'] {
  if (value.kind !== 'scalar' || typeof value.value !== 'number') return value;
  return { ...value, value: Math.ceil(value.value / ESTIMATED_CHARACTERS_PER_TOKEN) };
}
