import { parseDuration, parseQuantity } from '../framework/schema.ts';
import type { Draft } from './draft.ts';
import { type ConfigNode, entryOf, type MapNode, type Path, pathText } from './node.ts';

const CAPACITIES = ['maxBytes', 'maxRequests'];
const WAITS = ['defaultRequestTTL', 'noEndpointRequestTTL'];
const TEMPLATES = ['defaultPriorityBand', 'defaultNegativePriorityBand'];
const BAND_POLICIES = ['fairnessPolicyRef', 'orderingPolicyRef'];

/**
 * Warns of what `flowControl` says wrong. The reference refuses it only with the gate, and loads the document otherwise.
 */
export function checkFlowControl(root: ConfigNode, draft: Draft): void {
  const section = entryOf(root, 'flowControl')?.value;
  if (section?.kind !== 'map') return;
  const path = ['flowControl'];
  for (const key of CAPACITIES) warnBelowZero(section, [...path, key], parseQuantity, draft);
  for (const key of WAITS) warnBelowZero(section, [...path, key], parseDuration, draft);
  warnUnknownPolicy(section, [...path, 'usageLimitPolicyPluginRef'], draft);
  for (const key of TEMPLATES) checkBand(entryOf(section, key)?.value, [...path, key], draft);
  const bands = entryOf(section, 'priorityBands')?.value;
  if (bands?.kind !== 'list') return;
  const priorities = new Set<number>();
  for (const [i, band] of bands.items.entries()) {
    const bandPath = [...path, 'priorityBands', i];
    checkBand(band, bandPath, draft);
    warnRepeated(band, bandPath, priorities, draft);
  }
}

function checkBand(band: ConfigNode | undefined, path: Path, draft: Draft): void {
  if (band?.kind !== 'map') return;
  for (const key of CAPACITIES) warnBelowZero(band, [...path, key], parseQuantity, draft);
  for (const key of BAND_POLICIES) warnUnknownPolicy(band, [...path, key], draft);
}

/** The last step of `path` is the key. */
function warnBelowZero(
  node: MapNode,
  path: Path,
  parse: (text: string) => number | undefined,
  draft: Draft,
): void {
  const value = entryOf(node, String(path.at(-1)))?.value;
  if (value?.kind !== 'scalar' || value.value === null) return;
  if ((parse(String(value.value)) ?? 0) >= 0) return;
  draft.problems.warn(
    'invalid-value',
    { path, at: value },
    `${pathText(path)}: got ${value.value}, want at least 0`,
  );
}

/** No policy of flow control is available in this version: a listed plugin that is available is none. */
function warnUnknownPolicy(node: MapNode, path: Path, draft: Draft): void {
  const value = entryOf(node, String(path.at(-1)))?.value;
  if (value?.kind !== 'scalar' || typeof value.value !== 'string' || value.value === '') return;
  const name = value.value;
  if (draft.isBroken(name) || draft.needsOf(name) !== undefined) return;
  const place = { path, at: value };
  const listed = draft.get(name);
  if (listed === undefined) {
    draft.problems.warn('unknown-reference', place, `${pathText(path)}: no plugin is named '${name}'`);
    return;
  }
  const { type, kinds } = listed.definition;
  const message = `${pathText(path)}: plugin '${name}' (type ${type}) serves as ${kinds.join(', ')}, want a policy of flow control`;
  draft.problems.warn('wrong-kind', place, message);
}

function warnRepeated(band: ConfigNode, path: Path, seen: Set<number>, draft: Draft): void {
  if (band.kind !== 'map') return;
  const value = entryOf(band, 'priority')?.value;
  const given = value?.kind === 'scalar' ? (value.value ?? 0) : 0; // absent is 0
  if (typeof given !== 'number') return;
  if (seen.has(given)) {
    const place = { path: [...path, 'priority'], at: value ?? band };
    draft.problems.warn(
      'invalid-value',
      place,
      `${pathText(place.path)}: priority ${given} is listed twice, want each once`,
    );
  }
  seen.add(given);
}
