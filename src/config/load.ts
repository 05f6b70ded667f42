import { addProducers, orderProducers } from './data-flow.ts';
import {
  DEFAULT_TEXT,
  resolveDetector,
  resolveDiscovery,
  resolveParsers,
  resolveSources,
  type SourceBinding,
  warnUnused,
} from './defaults.ts';
import { readDocument } from './document.ts';
import { Draft, type LoadOptions, type PluginEntry } from './draft.ts';
import { reportFirstIssues } from './first-issues.ts';
import { checkFlowControl } from './flow-control.ts';
import { readGates } from './gates.ts';
import { check } from './issues.ts';
import { inputSchema, keysAt } from './json-schema.ts';
import { migratePlugins } from './legacy.ts';
import { type ConfigNode, entryOf, isNull, type MapNode, type Path, plainOf } from './node.ts';
import { outlineOf } from './outline.ts';
import { resolveReferences } from './plugin-references.ts';
import { type PoolDeclaration, poolsOf } from './pools.ts';
import { type Problem, ProblemList } from './problems.ts';
import { type Profile, resolveProfiles } from './profiles.ts';
import { API_VERSION, documentSchema, KIND, OLD_API_VERSION } from './schema.ts';

const ENVELOPE_AND_POOLS: ReadonlySet<string> = new Set(['apiVersion', 'kind', 'pools']);

/** A configuration with everything in it that was left out, and every reference followed. */
export interface EndpointPickerConfig {
  readonly featureGates: ReadonlyMap<string, boolean>;
  /** In declaration order, then added ones in the order in which they were added. */
  readonly plugins: readonly PluginEntry[];
  readonly profiles: readonly Profile[];
  readonly handler: PluginEntry;
  readonly parsers: readonly PluginEntry[];
  readonly saturationDetector: PluginEntry;
  readonly sources: readonly SourceBinding[];
  readonly discovery: PluginEntry | undefined;
  /** In the order in which they run. */
  readonly producers: readonly PluginEntry[];
  /** Plugins that the parameters of a plugin name, by that name. */
  readonly references: ReadonlyMap<PluginEntry, ReadonlyMap<string, PluginEntry>>;
  /** Pools of the process, besides those that flags name. */
  readonly pools: readonly PoolDeclaration[];
}

/** What loading gives. */
export interface LoadResult {
  /** Undefined when one of `problems` is an error. */
  readonly document: EndpointPickerConfig | undefined;
  /** By place in the text. */
  readonly problems: readonly Problem[];
}

/**
 * Reads a configuration, checks all of it, and completes it; nothing is constructed. An empty text is the default
 * configuration. Reports every problem at once; never throws for any text.
 */
export function loadConfiguration(text: string, options: LoadOptions): LoadResult {
  const problems = new ProblemList();
  const document = load(text, options, problems);
  return { document: problems.hasErrors ? undefined : document, problems: problems.sorted() };
}

function load(text: string, options: LoadOptions, problems: ProblemList): EndpointPickerConfig | undefined {
  const read = readDocument(text === '' ? DEFAULT_TEXT : text, problems);
  if (read === undefined) return undefined;
  const root = isNull(read) ? emptyDocument() : read;
  if (root.kind !== 'map') {
    problems.error(
      'invalid-value',
      { path: [], at: root },
      `the document is ${root.kind === 'list' ? 'a list' : 'a plain value'}, want an object`,
    );
    return undefined;
  }
  checkShape(root, problems);
  checkEnvelope(root, problems);
  const pools = poolsOf(root);
  const outline = outlineOf(saysOnlyPools(root) ? defaultRoot(problems) : root, problems);
  const featureGates = readGates(outline, problems);
  const draft = new Draft(options, problems);
  draft.declare(migratePlugins(outline, problems));
  const { profiles, handler } = resolveProfiles(outline, draft);
  const parsers = resolveParsers(outline, draft);
  const saturationDetector = resolveDetector(outline, draft);
  const sources = resolveSources(outline, draft);
  const discovery = resolveDiscovery(outline, draft);
  checkFlowControl(root, draft);
  const references = resolveReferences(draft);
  addProducers(draft);
  const producers = orderProducers(draft);
  warnUnused(draft);
  requireParts({ handler, saturationDetector, parsers, profiles }, draft);
  if (handler === undefined || saturationDetector === undefined) return undefined;
  return {
    featureGates,
    plugins: draft.plugins,
    profiles,
    handler,
    parsers,
    saturationDetector,
    sources,
    discovery,
    producers,
    references,
    pools,
  };
}

/** A list of pools is no configuration of what they do. */
function saysOnlyPools(root: MapNode): boolean {
  const names = root.entries.map((entry) => entry.key);
  return names.includes('pools') && names.every((name) => ENVELOPE_AND_POOLS.has(name));
}

function defaultRoot(problems: ProblemList): ConfigNode {
  return readDocument(DEFAULT_TEXT, problems) ?? emptyDocument();
}

function emptyDocument(): MapNode {
  return { kind: 'map', entries: [], line: 1, column: 1 };
}

function checkShape(root: MapNode, problems: ProblemList): void {
  const parsed = check(documentSchema, plainOf(root));
  if (parsed.success) return;
  const schema = inputSchema(documentSchema);
  const knownKeys = (below: Path) => keysAt(schema, below);
  reportFirstIssues(
    parsed.error.issues,
    { node: root, declaration: documentSchema, path: [], knownKeys },
    problems,
  );
}

function checkEnvelope(root: MapNode, problems: ProblemList): void {
  const apiVersion = entryOf(root, 'apiVersion');
  const kind = entryOf(root, 'kind');
  const missing = [apiVersion, kind].flatMap((entry, i) =>
    entry === undefined || isNull(entry.value)
      ? [i === 0 ? `apiVersion: ${API_VERSION}` : `kind: ${KIND}`]
      : [],
  );
  if (missing.length > 0) {
    problems.warn('api-version-missing', { path: [], at: root }, `missing, assumed: ${missing.join(', ')}`);
  }
  const version = textOf(apiVersion?.value);
  if (apiVersion !== undefined && version === OLD_API_VERSION) {
    problems.warn(
      'api-version-deprecated',
      { path: ['apiVersion'], at: apiVersion.value },
      `apiVersion ${OLD_API_VERSION} is deprecated, write ${API_VERSION}`,
    );
  } else if (apiVersion !== undefined && version !== undefined && version !== API_VERSION) {
    problems.error(
      'api-version',
      { path: ['apiVersion'], at: apiVersion.value },
      `apiVersion: got "${version}", want ${API_VERSION}`,
    );
  }
  const name = textOf(kind?.value);
  if (kind !== undefined && name !== undefined && name !== KIND) {
    problems.error('api-version', { path: ['kind'], at: kind.value }, `kind: got "${name}", want ${KIND}`);
  }
}

function textOf(node: ConfigNode | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

/** A catalogue without the default plugins is reported, so that a start never fails without a reason. */
function requireParts(
  parts: {
    readonly handler: PluginEntry | undefined;
    readonly saturationDetector: PluginEntry | undefined;
    readonly parsers: readonly PluginEntry[];
    readonly profiles: readonly Profile[];
  },
  draft: Draft,
): void {
  if (draft.problems.hasErrors) return;
  const lacks = (what: string) =>
    draft.problems.error(
      'unavailable-type',
      { path: [], at: { line: 1, column: 1 } },
      `no ${what} is listed, and the default one is not available in this version`,
    );
  if (parts.handler === undefined) lacks('profile handler');
  if (parts.saturationDetector === undefined) lacks('saturation detector');
  if (parts.parsers.length === 0) lacks('parser');
  for (const profile of parts.profiles) {
    const hasPicker = profile.members.some(({ plugin }) => plugin.definition.kinds.includes('picker'));
    if (!hasPicker) lacks(`picker for profile '${profile.name}'`);
  }
}
