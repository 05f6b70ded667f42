import type { Draft, PluginEntry } from './draft.ts';
import { entryOf, type MapNode, type Position } from './node.ts';

/**
 * Follows every parameter that names another plugin; a name that is none, or of the wrong kind, is reported where it
 * stands. A plugin that a reference adds may refer to others. Circles are reported.
 */
export function resolveReferences(draft: Draft): ReadonlyMap<PluginEntry, ReadonlyMap<string, PluginEntry>> {
  const references = new Map<PluginEntry, Map<string, PluginEntry>>();
  const seen = new Set<PluginEntry>();
  for (let hasMore = true; hasMore; ) {
    const open = draft.plugins.filter((entry) => !seen.has(entry));
    hasMore = open.length > 0;
    for (const entry of open) {
      seen.add(entry);
      const named = referencesOf(entry, draft);
      if (named.size > 0) references.set(entry, named);
    }
  }
  reportCircle(references, draft);
  return references;
}

function referencesOf(entry: PluginEntry, draft: Draft): Map<string, PluginEntry> {
  const named = new Map<string, PluginEntry>();
  if (entry.params === undefined) return named;
  for (const { path, name, kind } of entry.definition.references?.(entry.params) ?? []) {
    const at = positionOf(entry.parameters, path) ?? entry.place.at;
    const place = { path: [...entry.place.path, 'parameters', ...path], at };
    const found = draft.resolve({ name, ...place }, kind === undefined ? [] : [kind]);
    if (found !== undefined) named.set(name, found);
  }
  return named;
}

function positionOf(parameters: MapNode | undefined, path: readonly string[]): Position | undefined {
  let node: MapNode | undefined = parameters;
  for (const [i, key] of path.entries()) {
    const value = node === undefined ? undefined : entryOf(node, key)?.value;
    if (value === undefined) return undefined;
    if (i === path.length - 1) return value;
    node = value.kind === 'map' ? value : undefined;
  }
  return undefined;
}

function reportCircle(
  references: ReadonlyMap<PluginEntry, ReadonlyMap<string, PluginEntry>>,
  draft: Draft,
): void {
  const done = new Set<PluginEntry>();
  const visit = (entry: PluginEntry, above: readonly PluginEntry[]): void => {
    if (done.has(entry)) return;
    if (above.includes(entry)) {
      const circle = [...above.slice(above.indexOf(entry)), entry].map(({ name }) => `'${name}'`).join(' → ');
      draft.problems.error('dependency-cycle', entry.place, `plugins name each other in a circle: ${circle}`);
      done.add(entry);
      return;
    }
    for (const other of references.get(entry)?.values() ?? []) visit(other, [...above, entry]);
    done.add(entry);
  };
  for (const entry of references.keys()) visit(entry, []);
}
