import type { z } from 'zod';
import {
  type ConfigNode,
  entryOf,
  isNull,
  type MapNode,
  type Path,
  type Position,
  plainOf,
  withEntries,
} from './node.ts';
import type { Place, ProblemList } from './problems.ts';
import { OLD_THRESHOLDS } from './schema.ts';

/** A name that stands for a plugin. */
export interface Reference extends Place {
  readonly name: string;
}

/** An item of `plugins`. */
export interface PluginOutline {
  /** '' when absent: the type names the plugin. */
  readonly name: string;
  /** '' when missing. */
  readonly type: string;
  readonly parameters: ConfigNode | undefined;
  /** The module that defines the type; absent for types of the catalogue. */
  readonly module?: Reference;
  readonly path: Path;
  /** Where the item starts. */
  readonly at: Position;
  readonly typeAt: Position;
  readonly nameAt: Position;
  /** '' when it is written in the document, else why it was added. */
  readonly reason: string;
}

/** A reference from a profile. */
export interface ProfileReference extends Reference {
  /** Undefined when absent. */
  readonly weight: number | undefined;
}

export interface ProfileOutline extends Place {
  readonly name: string;
  readonly references: readonly ProfileReference[];
}

export interface SourceOutline {
  readonly source: Reference;
  readonly extractors: readonly Reference[];
}

/** What the document says, with old places moved to the current ones. Parts of a wrong type are left out. */
export interface Outline {
  readonly featureGates: readonly Reference[];
  readonly plugins: readonly PluginOutline[];
  /** Undefined when absent or empty. */
  readonly profiles: readonly ProfileOutline[] | undefined;
  readonly parsers: readonly Reference[];
  readonly detector: Reference | undefined;
  /** Parameters of the detector in their old place. */
  readonly detectorThresholds: MapNode | undefined;
  /** Set members of `flowControl` other than the detector. */
  readonly flowControlKeys: readonly string[];
  readonly flowControlAt: Position;
  readonly injectDefaults: boolean;
  readonly sources: readonly SourceOutline[];
  readonly discovery: Reference | undefined;
  readonly peerDiscovery: Reference | undefined;
  readonly crossReplicaSyncer: Reference | undefined;
}

/** Reads the outline, and warns of old places. */
export function outlineOf(root: ConfigNode, problems: ProblemList): Outline {
  const flowControl = child(root, 'flowControl');
  const dataLayer = child(root, 'dataLayer');
  const profiles = itemsOf(child(root, 'schedulingProfiles')).map(profileOutline);
  const detector = detectorOutline(root, problems);
  return {
    featureGates: itemsOf(child(root, 'featureGates')).flatMap((item, i) =>
      item.kind === 'scalar' && typeof item.value === 'string'
        ? [{ name: item.value, path: ['featureGates', i], at: item }]
        : [],
    ),
    plugins: itemsOf(child(root, 'plugins')).map(pluginOutline),
    profiles: profiles.length === 0 ? undefined : profiles,
    parsers: parserOutline(root, problems),
    detector: referenceIn(detector?.node, detector?.path ?? []),
    detectorThresholds: thresholdsOf(detector?.node),
    flowControlKeys:
      flowControl?.kind === 'map'
        ? flowControl.entries
            .filter((entry) => entry.key !== 'saturationDetector' && !isNull(entry.value))
            .map((entry) => entry.key)
        : [],
    flowControlAt: entryOf(root, 'flowControl')?.at ?? root,
    injectDefaults: scalarOf(dataLayer, 'injectDefaults') !== false,
    sources: itemsOf(child(dataLayer, 'sources')).flatMap(sourceOutline),
    discovery: referenceIn(child(dataLayer, 'discovery'), ['dataLayer', 'discovery']),
    peerDiscovery: referenceIn(child(dataLayer, 'peerDiscovery'), ['dataLayer', 'peerDiscovery']),
    crossReplicaSyncer: referenceIn(dataLayer, ['dataLayer'], 'crossReplicaSyncerPluginRef'),
  };
}

function pluginOutline(item: ConfigNode, i: number): PluginOutline {
  return {
    name: textOf(item, 'name'),
    type: textOf(item, 'type'),
    parameters: child(item, 'parameters'),
    ...moduleOf(item, ['plugins', i]),
    path: ['plugins', i],
    at: item,
    typeAt: child(item, 'type') ?? item,
    nameAt: child(item, 'name') ?? child(item, 'type') ?? item,
    reason: '',
  };
}

function moduleOf(item: ConfigNode, path: Path): Pick<PluginOutline, 'module'> {
  const module = referenceIn(item, path, 'module');
  return module === undefined ? {} : { module };
}

function profileOutline(item: ConfigNode, i: number): ProfileOutline {
  const path = ['schedulingProfiles', i];
  const references = itemsOf(child(item, 'plugins')).flatMap((one, j): readonly ProfileReference[] => {
    const reference = referenceIn(one, [...path, 'plugins', j]);
    const weight = scalarOf(one, 'weight');
    return reference === undefined
      ? []
      : [{ ...reference, weight: typeof weight === 'number' ? weight : undefined }];
  });
  return { name: textOf(item, 'name'), references, path, at: child(item, 'name') ?? item };
}

function sourceOutline(item: ConfigNode, i: number): readonly SourceOutline[] {
  const path = ['dataLayer', 'sources', i];
  const source = referenceIn(item, path);
  if (source === undefined) return [];
  const extractors = itemsOf(child(item, 'extractors')).flatMap((one, j) => {
    const extractor = referenceIn(one, [...path, 'extractors', j]);
    return extractor === undefined ? [] : [extractor];
  });
  return [{ source, extractors }];
}

/** `requestHandler.parsers`, else the top-level `parser` it replaced. */
function parserOutline(root: ConfigNode, problems: ProblemList): readonly Reference[] {
  const path = ['requestHandler', 'parsers'];
  const parsers = itemsOf(child(child(root, 'requestHandler'), 'parsers')).flatMap((item, i) => {
    const reference = referenceIn(item, [...path, i]);
    return reference === undefined ? [] : [reference];
  });
  const old = entryOf(root, 'parser');
  if (old === undefined || isNull(old.value)) return parsers;
  const reference = referenceIn(old.value, ['parser']);
  const isUsed = parsers.length === 0;
  problems.warn(
    'deprecated-form',
    { path: ['parser'], at: old.at },
    `parser has moved to requestHandler.parsers${isUsed ? '' : ', which is set and wins'}`,
  );
  return isUsed && reference !== undefined ? [reference] : parsers;
}

/** The object that names the detector, in its current or its old place. */
function detectorOutline(
  root: ConfigNode,
  problems: ProblemList,
): { readonly node: ConfigNode; readonly path: Path } | undefined {
  const current = child(child(root, 'flowControl'), 'saturationDetector');
  const old = entryOf(root, 'saturationDetector');
  if (old !== undefined && !isNull(old.value)) {
    // Thresholds alone get the warning that says where they go.
    const isPlaced = current === undefined && referenceIn(old.value, []) === undefined;
    if (isPlaced && thresholdsOf(old.value) !== undefined)
      return { node: old.value, path: ['saturationDetector'] };
    problems.warn(
      'deprecated-form',
      { path: ['saturationDetector'], at: old.at },
      `saturationDetector has moved to flowControl.saturationDetector${current === undefined ? '' : ', which is set and wins'}`,
    );
    if (current === undefined) return { node: old.value, path: ['saturationDetector'] };
  }
  return current === undefined ? undefined : { node: current, path: ['flowControl', 'saturationDetector'] };
}

const THRESHOLDS: ReadonlyMap<string, z.ZodType> = new Map(Object.entries(OLD_THRESHOLDS));

/** Those that the check of the document accepts; it reports the others. */
function thresholdsOf(node: ConfigNode | undefined): MapNode | undefined {
  if (node?.kind !== 'map') return undefined;
  const entries = node.entries.filter(
    ({ key, value }) => !isNull(value) && THRESHOLDS.get(key)?.safeParse(plainOf(value)).success === true,
  );
  return entries.length === 0 ? undefined : withEntries(node, entries);
}

function referenceIn(node: ConfigNode | undefined, path: Path, key = 'pluginRef'): Reference | undefined {
  const value = child(node, key);
  if (value?.kind !== 'scalar' || typeof value.value !== 'string' || value.value === '') return undefined;
  return { name: value.value, path: [...path, key], at: value };
}

/** Null is absence. */
function child(node: ConfigNode | undefined, key: string): ConfigNode | undefined {
  const value = entryOf(node, key)?.value;
  return value === undefined || isNull(value) ? undefined : value;
}

function scalarOf(node: ConfigNode | undefined, key: string): unknown {
  const value = child(node, key);
  return value?.kind === 'scalar' ? value.value : undefined;
}

function textOf(node: ConfigNode | undefined, key: string): string {
  const value = scalarOf(node, key);
  return typeof value === 'string' ? value : '';
}

function itemsOf(node: ConfigNode | undefined): readonly ConfigNode[] {
  return node?.kind === 'list' ? node.items : [];
}
