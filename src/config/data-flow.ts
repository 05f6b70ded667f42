import type { AttributeKey } from '../framework/attribute.ts';
import type { Draft, PluginEntry } from './draft.ts';
import type { ConfigNode, Path } from './node.ts';
import type { Place } from './problems.ts';
import { suggest } from './suggest.ts';

type Key = AttributeKey<unknown>;

/**
 * Adds the default producer for every required key that nobody produces, until all are served, and reports those that
 * cannot be. The default producer of a key has the key's producer as name and type.
 */
export function addProducers(draft: Draft): void {
  const reported = new Set<Key>();
  /** Optional keys whose default producer has been added, or is none to add. */
  const tried = new Set<Key>();
  for (let isOpen = true; isOpen; ) {
    isOpen = false;
    for (const consumer of draft.plugins) {
      for (const key of consumer.dependencies.optional ?? []) {
        if (tried.has(key) || producersOf(key, draft).length > 0) continue;
        tried.add(key);
        const isFree = draft.get(key.producer) === undefined && draft.isAddedOnDemand(key.producer);
        if (isFree && addDefault(key, consumer, draft)) isOpen = true;
      }
      for (const key of consumer.dependencies.requires ?? []) {
        if (reported.has(key) || producersOf(key, draft).length > 0) continue;
        if (addDefault(key, consumer, draft)) {
          isOpen = true;
        } else {
          reported.add(key);
        }
      }
    }
  }
  for (const consumer of draft.plugins) warnOptional(consumer, draft);
}

/**
 * Warns of optional data that nobody produces where the plugin's parameters ask for it: they say who produces it, or
 * what it is. A plugin that merely could use it does without.
 */
function warnOptional(consumer: PluginEntry, draft: Draft): void {
  for (const key of consumer.dependencies.optional ?? []) {
    const { producer, dataType } = key;
    const place =
      (producer === '' ? undefined : mentionOf(producer, consumer)) ?? mentionOf(dataType, consumer);
    if (place === undefined || producersOf(key, draft).length > 0) continue;
    const existing = draft.get(producer);
    const isInDoubt =
      existing === undefined
        ? draft.isIncomplete || draft.hasUnknownReference
        : existing.params === undefined;
    if (isInDoubt) continue;
    const reads = `plugin '${consumer.name}' reads ${key.name}`;
    if (existing !== undefined) {
      draft.problems.warn('missing-data', place, `${reads}, but ${doesNotProduce(existing, dataType)}`);
      continue;
    }
    const type = draft.isProducerType(producer) ? producer : draft.typeThatProduces(key);
    draft.problems.warn(
      'missing-data',
      place,
      `${reads}, which no plugin produces${type === undefined ? '' : `; list a plugin of type '${type}'`}`,
      type === undefined ? suggest(producer, namesFor(key, draft)) : undefined,
    );
  }
}

/** Names that may be meant as the producer of `key`. */
function namesFor({ dataType }: Key, draft: Draft): readonly string[] {
  const others = draft.plugins.filter((entry) => producesType(entry, dataType));
  return [...others.map((entry) => entry.name), ...draft.producerTypes()];
}

function producesType(entry: PluginEntry, dataType: string): boolean {
  return entry.dependencies.produces?.some((produced) => produced.dataType === dataType) === true;
}

function doesNotProduce({ name, definition }: PluginEntry, dataType: string): string {
  return `plugin '${name}' (type ${definition.type}) does not produce ${dataType}`;
}

/** Where the parameters of a plugin say `text`, at any depth. */
function mentionOf(text: string, { parameters, place }: PluginEntry): Place | undefined {
  return parameters === undefined ? undefined : mentionIn(parameters, text, [...place.path, 'parameters']);
}

function mentionIn(node: ConfigNode, text: string, path: Path): Place | undefined {
  if (node.kind === 'scalar') return node.value === text ? { path, at: node } : undefined;
  const inner =
    node.kind === 'list'
      ? node.items.map((item, i) => mentionIn(item, text, [...path, i]))
      : node.entries.map(({ key, value }) => mentionIn(value, text, [...path, key]));
  return inner.find((found) => found !== undefined);
}

function producersOf(key: Key, draft: Draft): readonly PluginEntry[] {
  return draft.plugins.filter((entry) => entry.dependencies.produces?.includes(key) === true);
}

/** Whether the producer was added; reports the reason when not. */
function addDefault(key: Key, consumer: PluginEntry, draft: Draft): boolean {
  const { producer, dataType } = key;
  if (draft.isBroken(producer)) return false;
  const place = placeOf(producer, consumer);
  const existing = draft.get(producer);
  if (existing !== undefined) {
    // A producer whose parameters are wrong would serve the key once they are right.
    if (existing.params === undefined) return false;
    draft.problems.error(
      'missing-data',
      place,
      `plugin '${consumer.name}' needs ${key.name}, but ${doesNotProduce(existing, dataType)}`,
    );
    return false;
  }
  const others = draft.plugins.filter((entry) => producesType(entry, dataType));
  const added = draft.isProducerType(producer)
    ? draft.add(producer, `'${consumer.name}' needs ${dataType}`, { path: [], at: consumer.place.at })
    : undefined;
  if (added?.dependencies.produces?.includes(key) !== true) {
    if ((draft.isIncomplete || draft.hasUnknownReference) && others.length === 0) return false;
    draft.problems.error(
      'missing-data',
      place,
      `plugin '${consumer.name}' needs ${key.name}, which no plugin produces${hintFor(key, draft)}`,
      suggest(producer, namesFor(key, draft)),
    );
    return false;
  }
  const [other] = others;
  if (other !== undefined) {
    draft.problems.warn(
      'second-producer',
      place,
      `plugin '${consumer.name}' reads ${dataType} of '${producer}', which was added beside the listed '${other.name}'; name '${other.name}' in the plugin's …ProducerName parameter, or give it its default name`,
    );
  }
  return true;
}

/** What to do about data that nobody produces; '' where nothing is known. */
function hintFor(key: Key, draft: Draft): string {
  const { producer } = key;
  if (producer === '') {
    const type = draft.typeThatProduces(key);
    return type === undefined ? '' : `; list a plugin of type '${type}'`;
  }
  const needs = draft.needsOf(producer);
  return needs === undefined ? '' : `; '${producer}' is not available in this version: it needs ${needs}`;
}

/** The parameter that names the producer, else the plugin. */
function placeOf(producer: string, consumer: PluginEntry): Place {
  const named = consumer.parameters?.entries.find(
    ({ value }) => value.kind === 'scalar' && value.value === producer,
  );
  if (named === undefined) return consumer.place;
  return { path: [...consumer.place.path, 'parameters', named.key], at: named.value };
}

/**
 * Producers in the order in which they run: after those whose data they require, and after those whose data they can
 * use unless that would close a circle; otherwise as declared.
 */
export function orderProducers(draft: Draft): readonly PluginEntry[] {
  const producers = draft.plugins.filter((entry) => entry.definition.kinds.includes('producer'));
  const before = new Map(producers.map((entry) => [entry, new Set<PluginEntry>()]));
  for (const consumer of producers) {
    for (const key of consumer.dependencies.requires ?? []) {
      for (const producer of producersOf(key, draft)) {
        if (producer !== consumer && before.has(producer)) before.get(consumer)?.add(producer);
      }
    }
  }
  for (const consumer of producers) {
    for (const key of consumer.dependencies.optional ?? []) {
      for (const producer of producersOf(key, draft)) {
        if (producer === consumer || !before.has(producer)) continue;
        if (!reaches(producer, consumer, before)) before.get(consumer)?.add(producer);
      }
    }
  }
  const ordered = new Set<PluginEntry>();
  while (ordered.size < producers.length) {
    const next = producers.find(
      (entry) => !ordered.has(entry) && [...(before.get(entry) ?? [])].every((needed) => ordered.has(needed)),
    );
    if (next === undefined) {
      const rest = producers.filter((entry) => !ordered.has(entry));
      draft.problems.error(
        'dependency-cycle',
        rest[0]?.place ?? { path: [], at: { line: 1, column: 1 } },
        `producers need each other in a circle: ${rest.map((entry) => `'${entry.name}'`).join(', ')}`,
      );
      return [...ordered, ...rest];
    }
    ordered.add(next);
  }
  return [...ordered];
}

/** Whether `from` runs after `to` as far as `before` says. */
function reaches(
  from: PluginEntry,
  to: PluginEntry,
  before: ReadonlyMap<PluginEntry, ReadonlySet<PluginEntry>>,
): boolean {
  const seen = new Set<PluginEntry>();
  const open = [from];
  for (let entry = open.pop(); entry !== undefined; entry = open.pop()) {
    if (entry === to) return true;
    if (seen.has(entry)) continue;
    seen.add(entry);
    open.push(...(before.get(entry) ?? []));
  }
  return false;
}
