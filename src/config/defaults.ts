import type { PluginKind } from '../framework/plugin.ts';
import type { Draft, PluginEntry } from './draft.ts';
import type { Outline, Reference, SourceOutline } from './outline.ts';

/** Stands for no text at all (`llm-d-router: pkg/epp/config/loader/defaults.go`). */
export const DEFAULT_TEXT = `apiVersion: llm-d.ai/v1alpha1
kind: EndpointPickerConfig
plugins:
- type: queue-scorer
- type: kv-cache-utilization-scorer
- type: prefix-cache-scorer
- type: metrics-data-source
- type: core-metrics-extractor
schedulingProfiles:
- name: default
  plugins:
  - {pluginRef: queue-scorer, weight: 2}
  - {pluginRef: kv-cache-utilization-scorer, weight: 2}
  - {pluginRef: prefix-cache-scorer, weight: 3}
dataLayer:
  sources:
  - pluginRef: metrics-data-source
    extractors:
    - pluginRef: core-metrics-extractor
`;

const DEFAULT_PARSERS = ['openai-parser', 'anthropic-parser', 'vllmhttp-parser', 'passthrough-parser'];
const DEFAULT_DETECTOR = 'utilization-detector';
const METRICS_SOURCE = 'metrics-data-source';
const METRICS_EXTRACTOR = 'core-metrics-extractor';

/** A data source with what reads its pages, or an event source with what observes its events. */
export interface SourceBinding {
  readonly source: PluginEntry;
  readonly extractors: readonly PluginEntry[];
  /** '' when it is written in the document, else why it was added. */
  readonly reason: string;
}

/** The listed parsers, else the default ones. A second parser of a type would never be asked. */
export function resolveParsers(outline: Outline, draft: Draft): readonly PluginEntry[] {
  if (outline.parsers.length === 0) {
    const parsers = DEFAULT_PARSERS.map((type) => draft.addDefault(type, 'parser', 'no parser is listed'));
    const present = parsers.filter((entry) => entry !== undefined);
    for (const entry of present) draft.refer(entry);
    return present;
  }
  const parsers: PluginEntry[] = [];
  for (const reference of outline.parsers) {
    const entry = draft.resolve(reference, ['parser']);
    if (entry === undefined) continue;
    if (parsers.some((other) => other.definition.type === entry.definition.type)) {
      draft.problems.warn(
        'repeated-reference',
        reference,
        `a parser of type ${entry.definition.type} is listed before '${entry.name}', which is left out`,
      );
      continue;
    }
    parsers.push(entry);
  }
  return parsers;
}

/** The named detector, else `utilization-detector` with defaults. */
export function resolveDetector(outline: Outline, draft: Draft): PluginEntry | undefined {
  if (outline.detector !== undefined) return draft.resolve(outline.detector, ['saturation-detector']);
  const entry = draft.addDefault(DEFAULT_DETECTOR, 'saturation-detector', 'no saturation detector is named');
  if (entry === undefined) return undefined;
  warnOfOtherDetectors(entry, draft);
  draft.refer(entry);
  return entry;
}

/** A detector under a name of its own is a filter alone, which is seldom meant; one that nothing refers to is reported anyway. */
function warnOfOtherDetectors(chosen: PluginEntry, draft: Draft): void {
  for (const entry of draft.plugins) {
    const isDetector = entry.definition.kinds.includes('saturation-detector');
    if (entry === chosen || !isDetector || entry.reason !== '' || !draft.isReferenced(entry)) continue;
    draft.problems.warn(
      'second-detector',
      entry.place,
      `plugin '${entry.name}' (type ${entry.definition.type}) serves as filter alone: '${chosen.name}' decides saturation, as no detector is named; name '${entry.name}' in flowControl.saturationDetector.pluginRef, or '${chosen.name}' if that is meant`,
    );
  }
}

/** The listed sources, and the default metrics source unless one of its type is there. */
export function resolveSources(outline: Outline, draft: Draft): readonly SourceBinding[] {
  const { problems } = draft;
  const bindings: SourceBinding[] = [];
  for (const written of outline.sources) {
    const source = draft.resolve(written.source, ['source', 'event-source']);
    const extractors = resolveExtractors(written, source, draft);
    if (source === undefined) continue;
    if (!isEventSource(source) && bindings.some((binding) => binding.source === source)) {
      problems.warn(
        'repeated-reference',
        written.source,
        `source '${source.name}' is listed twice: it polls twice`,
      );
    }
    bindings.push({ source, extractors, reason: '' });
  }
  const hasMetrics = bindings.some((binding) => binding.source.definition.type === METRICS_SOURCE);
  if (outline.injectDefaults && !hasMetrics && !draft.isBroken(METRICS_SOURCE)) {
    const binding = defaultSource(draft);
    if (binding !== undefined) bindings.push(binding);
  }
  const areAllKnown = bindings.length === outline.sources.length && !draft.isIncomplete;
  if (areAllKnown && bindings.every((binding) => isEventSource(binding.source))) {
    problems.warn(
      'no-sources',
      { path: ['dataLayer'], at: { line: 1, column: 1 } },
      'no data source is configured: endpoint metrics stay unknown',
    );
  }
  return bindings;
}

/** It polls nothing: its events are delivered without it. */
export function isEventSource(source: PluginEntry): boolean {
  return source.definition.kinds.includes('event-source');
}

const EXTRACTOR_KINDS: readonly PluginKind[] = ['extractor'];
const OBSERVER_KINDS: readonly PluginKind[] = ['endpoint-observer', 'object-observer'];

/** `source`: undefined when it is not known, so that what fits it cannot be judged. */
function resolveExtractors(
  written: SourceOutline,
  source: PluginEntry | undefined,
  draft: Draft,
): readonly PluginEntry[] {
  const extractors: PluginEntry[] = [];
  const kinds = source === undefined ? [] : isEventSource(source) ? OBSERVER_KINDS : EXTRACTOR_KINDS;
  for (const reference of written.extractors) {
    const entry = draft.resolve(reference, kinds);
    if (entry === undefined) continue;
    if (extractors.some((other) => other.definition.type === entry.definition.type)) {
      draft.problems.error(
        'repeated-reference',
        reference,
        `source '${written.source.name}' has two extractors of type ${entry.definition.type}, want one`,
      );
      continue;
    }
    extractors.push(entry);
  }
  return extractors;
}

/** A listed source and extractor of the default types serve under any name. */
function defaultSource(draft: Draft): SourceBinding | undefined {
  const reason = 'no metrics source is bound';
  const source = draft.firstOfType(METRICS_SOURCE) ?? draft.addDefault(METRICS_SOURCE, 'source', reason);
  const extractor =
    draft.firstOfType(METRICS_EXTRACTOR) ?? draft.addDefault(METRICS_EXTRACTOR, 'extractor', reason);
  if (source === undefined || extractor === undefined) return undefined;
  draft.refer(source);
  draft.refer(extractor);
  return { source, extractors: [extractor], reason };
}

/** The plugin that finds endpoints; undefined when none is named. Warns of what is accepted without effect. */
export function resolveDiscovery(outline: Outline, draft: Draft): PluginEntry | undefined {
  const { problems } = draft;
  if (outline.peerDiscovery !== undefined) {
    problems.warn('ineffective-section', outline.peerDiscovery, 'dataLayer.peerDiscovery has no effect');
  }
  const syncer: Reference | undefined = outline.crossReplicaSyncer;
  if (syncer !== undefined) {
    problems.error(
      'unavailable-feature',
      syncer,
      `dataLayer.crossReplicaSyncerPluginRef: got '${syncer.name}', but no plugin shares state between replicas in this version`,
    );
  }
  return outline.discovery === undefined ? undefined : draft.resolve(outline.discovery, ['discovery']);
}

/** Kinds that do nothing until something refers to the plugin. */
const REFERENCED_KINDS: ReadonlySet<PluginKind> = new Set([
  'filter',
  'scorer',
  'picker',
  'parser',
  'decider',
  'source',
  'event-source',
  'extractor',
  'discovery',
  'saturation-detector',
  'state-dumper',
]);

/** Warns of listed plugins that nothing refers to and that do nothing by being listed. */
export function warnUnused(draft: Draft): void {
  for (const entry of draft.plugins) {
    if (entry.reason !== '' || draft.isReferenced(entry)) continue;
    if (!entry.definition.kinds.every((kind) => REFERENCED_KINDS.has(kind))) continue;
    draft.problems.warn(
      'unused-plugin',
      entry.place,
      `plugin '${entry.name}' (type ${entry.definition.type}) is listed, but nothing refers to it: it has no effect`,
    );
  }
}
