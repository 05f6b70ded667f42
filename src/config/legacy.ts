import { migrateDisaggregation } from './legacy-disaggregation.ts';
import { isNull, type MapEntry, type MapNode, nodeFrom, type Position, withEntries } from './node.ts';
import type { Outline, PluginOutline } from './outline.ts';
import { inKnownCase, parametersFrom } from './parameters.ts';
import type { ProblemList } from './problems.ts';

const DETECTOR = 'utilization-detector';
const PREFIX_SCORER = 'prefix-cache-scorer';
const PREFIX_PRODUCER = 'approx-prefix-cache-producer';
const ESTIMATED_CHARACTERS_PER_TOKEN = 4;

/** Keys that stood on `prefix-cache-scorer` before its data came from a producer. */
const PRODUCER_KEYS: ReadonlySet<string> = new Set([
  'hashBlockSize',
  'blockSize',
  'blockSizeTokens',
  'maxPrefixBlocksToMatch',
  'maxPrefixTokensToMatch',
  'lruCapacityPerServer',
  'autoTune',
]);

/** Keys of `prefix-cache-scorer` that asked for engine events. */
const PRECISE_KEYS: ReadonlySet<string> = new Set(['mode', 'kvCacheRedisAddr', 'indexerConfig']);

/** Current keys that the rewriting of a type's parameters looks at. */
const CURRENT_KEYS: ReadonlyMap<string, readonly string[]> = new Map([
  [PREFIX_SCORER, ['prefixMatchInfoProducerName']],
  ['session-affinity-scorer', ['encodedEndpointHeaderConfig']],
  ['session-affinity-filter', ['encodedEndpointHeaderConfig']],
  ['pd-profile-handler', ['deciderPluginName']],
]);

/** Parameters that are still accepted: type, old key, what to write. */
const DEPRECATED_PARAMETERS: readonly (readonly [string, string, string])[] = [
  [PREFIX_PRODUCER, 'blockSize', 'blockSizeTokens'],
  [PREFIX_PRODUCER, 'maxPrefixBlocksToMatch', 'maxPrefixTokensToMatch'],
  [`multicluster-${PREFIX_PRODUCER}`, 'blockSize', 'blockSizeTokens'],
  [`multicluster-${PREFIX_PRODUCER}`, 'maxPrefixBlocksToMatch', 'maxPrefixTokensToMatch'],
  ['active-request-scorer', 'requestTimeout', ''],
  ['no-hit-lru-scorer', 'prefixPluginType', ''],
  ['no-hit-lru-scorer', 'prefixPluginName', ''],
  ['disagg-profile-handler', 'decodeProfile', 'profiles.decode'],
  ['disagg-profile-handler', 'prefillProfile', 'profiles.prefill'],
  ['disagg-profile-handler', 'encodeProfile', 'profiles.encode'],
  ['disagg-profile-handler', 'prefillDeciderPluginName', 'deciders.prefill'],
  ['disagg-profile-handler', 'deciderPluginName', 'deciders.prefill'],
  ['disagg-profile-handler', 'encodeDeciderPluginName', 'deciders.encode'],
  ['pd-profile-handler', 'hashBlockSize', ''],
  ['pd-profile-handler', 'prefixPluginType', ''],
  ['pd-profile-handler', 'prefixPluginName', ''],
];

/** Older keys of a type's parameters, with what to write instead ('' for nothing). */
export function oldParameters(type: string): ReadonlyMap<string, string> {
  const old = new Map<string, string>();
  for (const [owner, key, instead] of DEPRECATED_PARAMETERS) if (owner === type) old.set(key, instead);
  if (type === PREFIX_SCORER) for (const key of PRODUCER_KEYS) old.set(key, `it at ${PREFIX_PRODUCER}`);
  if (type === 'session-affinity-scorer' || type === 'session-affinity-filter')
    old.set('headerName', 'encodedEndpointHeaderConfig.header');
  if (type === 'pd-profile-handler') {
    for (const key of ['threshold', 'hashBlockSize']) old.set(key, 'a prefix-based-pd-decider');
  }
  return old;
}

/**
 * Rewrites forms of older releases (`llm-d-router` before v0.9) into current ones, each with one warning that says
 * what stands where and what it means.
 */
export function migratePlugins(outline: Outline, problems: ProblemList): readonly PluginOutline[] {
  let plugins = outline.plugins.map((plugin) => migrateSession(inOldCase(plugin, problems), problems));
  for (const plugin of plugins) warnDeprecated(plugin, problems);
  for (const plugin of plugins) {
    if (plugin.type === PREFIX_SCORER) plugins = migratePrefixScorer(plugin, plugins, problems);
  }
  return migrateDetector(outline, migrateDisaggregation(plugins, problems), problems);
}

/** Keys of parameters match in any case, those of older releases, too. */
function inOldCase(plugin: PluginOutline, problems: ProblemList): PluginOutline {
  const { type, parameters } = plugin;
  const known = [...oldParameters(type).keys(), ...(CURRENT_KEYS.get(type) ?? [])];
  if (type === PREFIX_SCORER) known.push(...PRECISE_KEYS);
  if (parameters?.kind !== 'map' || known.length === 0) return plugin;
  const entries = inKnownCase(parameters, known, [...plugin.path, 'parameters'], problems);
  return { ...plugin, parameters: withEntries(parameters, entries) };
}

/** `headerName` of v0.9 is the header of the encoded endpoint. */
function migrateSession(plugin: PluginOutline, problems: ProblemList): PluginOutline {
  if (plugin.type !== 'session-affinity-scorer' && plugin.type !== 'session-affinity-filter') return plugin;
  const { parameters } = plugin;
  const old = find(parameters, 'headerName');
  if (parameters?.kind !== 'map' || old === undefined) return plugin;
  const path = [...plugin.path, 'parameters', 'headerName'];
  const current = find(parameters, 'encodedEndpointHeaderConfig');
  problems.warn(
    'deprecated-form',
    { path, at: old.at },
    `headerName of ${plugin.type} has moved to encodedEndpointHeaderConfig.header${current === undefined ? '' : ', which is set and wins'}`,
  );
  const entries = parameters.entries.filter((entry) => entry !== old);
  if (current === undefined) {
    const header: MapNode = withEntries(parameters, [{ key: 'header', at: old.at, value: old.value }]);
    entries.push({ key: 'encodedEndpointHeaderConfig', at: old.at, value: header });
  }
  return { ...plugin, parameters: withEntries(parameters, entries) };
}

function warnDeprecated(plugin: PluginOutline, problems: ProblemList): void {
  for (const [type, key, successor] of DEPRECATED_PARAMETERS) {
    if (plugin.type !== type) continue;
    const entry = find(plugin.parameters, key);
    if (entry === undefined) continue;
    problems.warn(
      'deprecated-form',
      { path: [...plugin.path, 'parameters', key], at: entry.at },
      `${key} of ${type} is deprecated; ${successor === '' ? 'it has no effect' : `write ${successor}`}`,
    );
  }
}

/** Moves the keys of the former scorer to its producer, made here when none is listed. */
function migratePrefixScorer(
  scorer: PluginOutline,
  plugins: readonly PluginOutline[],
  problems: ProblemList,
): PluginOutline[] {
  const { parameters } = scorer;
  if (parameters?.kind !== 'map') return [...plugins];
  for (const entry of parameters.entries.filter((one) => PRECISE_KEYS.has(one.key))) {
    problems.error(
      'unavailable-feature',
      { path: [...scorer.path, 'parameters', entry.key], at: entry.at },
      `${entry.key} of ${PREFIX_SCORER} configured an index of engine events; list a precise-prefix-cache-producer and name it in prefixMatchInfoProducerName`,
    );
  }
  const moved = parameters.entries.filter((entry) => PRODUCER_KEYS.has(entry.key) && !isNull(entry.value));
  const kept = parameters.entries.filter((one) => !PRODUCER_KEYS.has(one.key) && !PRECISE_KEYS.has(one.key));
  const rest = plugins.map((plugin) =>
    plugin === scorer ? { ...scorer, parameters: withEntries(parameters, kept) } : plugin,
  );
  const [first] = moved;
  if (first === undefined) return rest;
  const redirect = find(parameters, 'prefixMatchInfoProducerName')?.value;
  const name =
    redirect?.kind === 'scalar' && typeof redirect.value === 'string' && redirect.value !== ''
      ? redirect.value
      : PREFIX_PRODUCER;
  const listed = rest.find(
    (plugin) => plugin.type === PREFIX_PRODUCER && (plugin.name || plugin.type) === name,
  );
  const isListedWithParameters = listed?.parameters?.kind === 'map' && listed.parameters.entries.length > 0;
  problems.warn(
    'deprecated-form',
    { path: [...scorer.path, 'parameters', first.key], at: first.at },
    `${moved.map((entry) => entry.key).join(', ')} of ${PREFIX_SCORER} ${isListedWithParameters ? `belong to the listed producer '${name}', whose parameters win` : `have moved to ${PREFIX_PRODUCER} and are applied there`}; block sizes of the scorer were characters, ${ESTIMATED_CHARACTERS_PER_TOKEN} to a token`,
  );
  if (isListedWithParameters) return rest;
  const produced = withEntries(parameters, producerEntries(moved));
  if (listed !== undefined) {
    return rest.map((plugin) => (plugin === listed ? { ...listed, parameters: produced } : plugin));
  }
  return [
    ...rest,
    {
      name,
      type: PREFIX_PRODUCER,
      parameters: produced,
      path: [...scorer.path, 'parameters'],
      at: first.at,
      typeAt: first.at,
      nameAt: first.at,
      reason: `moved from the parameters of '${scorer.name || scorer.type}'`,
    },
  ];
}

/** The scorer's former parameters as the producer has them. */
function producerEntries(moved: readonly MapEntry[]): readonly MapEntry[] {
  const has = (key: string) => moved.some((entry) => entry.key === key);
  const entries: MapEntry[] = [];
  for (const entry of moved) {
    const isCharacters = entry.key === 'hashBlockSize' || entry.key === 'blockSize';
    if (!isCharacters) {
      entries.push(entry);
    } else if (!has('blockSizeTokens') && !entries.some((one) => one.key === 'blockSizeTokens')) {
      entries.push({ ...entry, key: 'blockSizeTokens', value: tokens(entry) });
    }
    // The cap in blocks counts only while there is none in tokens.
    if (entry.key === 'maxPrefixBlocksToMatch' && !has('maxPrefixTokensToMatch')) {
      entries.push({ key: 'maxPrefixTokensToMatch', at: entry.at, value: nodeFrom(0, entry.at) });
    }
  }
  return entries;
}

function tokens({ value }: MapEntry): MapEntry['value'] {
  if (value.kind !== 'scalar' || typeof value.value !== 'number') return value;
  return { ...value, value: Math.max(1, Math.floor(value.value / ESTIMATED_CHARACTERS_PER_TOKEN)) };
}

/** Thresholds in the old place become the parameters of a detector, unless one is listed. */
function migrateDetector(
  outline: Outline,
  plugins: readonly PluginOutline[],
  problems: ProblemList,
): readonly PluginOutline[] {
  const thresholds = outline.detectorThresholds;
  const [first] = thresholds?.entries ?? [];
  if (thresholds === undefined || first === undefined) return plugins;
  const isListed = plugins.some((plugin) => plugin.type === DETECTOR);
  problems.warn(
    'deprecated-form',
    { path: ['saturationDetector', first.key], at: first.at },
    `${thresholds.entries.map((entry) => entry.key).join(', ')} of saturationDetector are parameters of the plugin ${DETECTOR}${isListed ? ', which is listed: its parameters win' : ' and are applied there'}`,
  );
  if (isListed) return plugins;
  const at: Position = first.at;
  return [
    ...plugins,
    {
      name: DETECTOR,
      type: DETECTOR,
      parameters: withEntries(parametersFrom({}, at), thresholds.entries),
      path: ['saturationDetector'],
      at,
      typeAt: at,
      nameAt: at,
      reason: 'moved from saturationDetector',
    },
  ];
}

/** The entry of `key` that is set. */
function find(node: PluginOutline['parameters'], key: string): MapEntry | undefined {
  if (node?.kind !== 'map') return undefined;
  return node.entries.find((entry) => entry.key === key && !isNull(entry.value));
}
