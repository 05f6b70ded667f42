import type { Outline } from './outline.ts';
import type { Place, ProblemList } from './problems.ts';
import { suggest } from './suggest.ts';

/** Gates and their defaults. */
const GATES: ReadonlyMap<string, boolean> = new Map([
  ['flowControl', false],
  ['haPopulateNonLeaderDatastore', true],
]);

/** Gates of earlier releases of the reference; what they enabled is always on or gone. */
const REMOVED_GATES: ReadonlySet<string> = new Set([
  'dataLayer',
  'enableLegacyMetrics',
  'prepareDataPlugins',
]);

const TRUE: ReadonlySet<string> = new Set(['1', 't', 'true']);
const FALSE: ReadonlySet<string> = new Set(['0', 'f', 'false']);

/** Values of all gates (`llm-d-router: pkg/epp/config/loader`): `name` or `name=bool`, later entries win. */
export function readGates(outline: Outline, problems: ProblemList): ReadonlyMap<string, boolean> {
  const gates = new Map(GATES);
  let flowControl: Place | undefined;
  for (const gate of outline.featureGates) {
    const [name = '', value = 'true'] = gate.name.split('=');
    const text = value.trim().toLowerCase();
    if (REMOVED_GATES.has(name)) {
      problems.warn('removed-gate', gate, `feature gate '${name}' no longer exists; remove it`);
      continue;
    }
    if (!GATES.has(name)) {
      const known = [...GATES.keys()];
      problems.error(
        'unknown-gate',
        gate,
        `unknown feature gate '${name}', want one of ${known.join(', ')}`,
        suggest(name.trim(), known),
      );
      continue;
    }
    if (!TRUE.has(text) && !FALSE.has(text)) {
      problems.error('unknown-gate', gate, `feature gate '${name}': got '${value}', want true or false`);
      continue;
    }
    gates.set(name, TRUE.has(text));
    if (name === 'flowControl') flowControl = gate;
  }
  if (gates.get('flowControl') === true && flowControl !== undefined) {
    problems.error(
      'unavailable-feature',
      flowControl,
      'feature gate flowControl: the flow control layer is not available in this version; remove the gate to reject sheddable requests when the pool is saturated',
    );
  }
  if (gates.get('flowControl') !== true && outline.flowControlKeys.length > 0) {
    problems.warn(
      'ineffective-section',
      { path: ['flowControl'], at: outline.flowControlAt },
      `flowControl has no effect without the feature gate flowControl: ${outline.flowControlKeys.join(', ')}`,
    );
  }
  return gates;
}
