import type { ObjectKind } from '../framework/hooks.ts';
import type { SourceBinding } from './defaults.ts';
import { isEventSource } from './defaults.ts';
import type { PluginEntry } from './draft.ts';
import type { Instances } from './instances.ts';
import type { ProblemList } from './problems.ts';

/**
 * Reports event sources that say the same, and plugins bound to one whose events they do not observe. The events
 * themselves reach every observer, bound or not (llm-d-router: pkg/epp/datalayer delivers to bound ones only).
 */
export function checkEventSources(
  sources: readonly SourceBinding[],
  instances: Instances,
  problems: ProblemList,
): void {
  const kinds = new Map<string, PluginEntry>();
  for (const { source, extractors } of sources) {
    if (!isEventSource(source)) continue;
    const { events } = instances.as('event-source', source).plugin;
    if (events === 'endpoints') {
      for (const entry of extractors) checkEndpointObserver(source, entry, problems);
      continue;
    }
    const kind = kindName(events);
    const other = kinds.get(kind);
    if (other !== undefined && other !== source) {
      problems.error(
        'repeated-reference',
        source.place,
        `duplicate notification source GVK ${kind}: '${other.name}' and '${source.name}'`,
      );
    }
    kinds.set(kind, source);
    for (const entry of extractors) checkObjectObserver({ source, kind }, entry, { instances, problems });
  }
}

function checkEndpointObserver(source: PluginEntry, entry: PluginEntry, problems: ProblemList): void {
  if (entry.definition.kinds.includes('endpoint-observer')) return;
  problems.error(
    'wrong-kind',
    entry.place,
    `endpoint source '${source.name}' tells of endpoints, which '${entry.name}' (type ${entry.definition.type}) does not observe`,
  );
}

function checkObjectObserver(
  { source, kind }: { readonly source: PluginEntry; readonly kind: string },
  entry: PluginEntry,
  { instances, problems }: { readonly instances: Instances; readonly problems: ProblemList },
): void {
  if (!entry.definition.kinds.includes('object-observer')) {
    problems.error(
      'wrong-kind',
      entry.place,
      `source '${source.name}' tells of objects of Kubernetes, which '${entry.name}' (type ${entry.definition.type}) does not observe`,
    );
    return;
  }
  const { observedKind } = instances.as('object-observer', entry).plugin;
  if (observedKind === undefined) {
    problems.warn(
      'ineffective-reference',
      entry.place,
      `'${entry.name}' observes no objects as it is configured: source '${source.name}' tells it nothing`,
    );
  } else if (kindName(observedKind) !== kind) {
    problems.error(
      'wrong-kind',
      entry.place,
      `'${entry.name}' observes GVK ${kindName(observedKind)}, which does not match source '${source.name}' GVK ${kind}`,
    );
  }
}

/** `apps/v1/Deployment`, `v1/Pod`. */
function kindName({ group, version, kind }: ObjectKind): string {
  return group === '' ? `${version}/${kind}` : `${group}/${version}/${kind}`;
}
