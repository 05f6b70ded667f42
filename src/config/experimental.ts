import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { UNGATED_TYPES } from './old-types.ts';
import type { Place, ProblemList } from './problems.ts';

/** Whether an experimental type may be used without `--allow-experimental-plugins`; reports that the flag is missing. */
export function isAllowedUnasked(
  { type }: AnyPluginDefinition,
  place: Place,
  problems: ProblemList,
): boolean {
  const message = `plugin type '${type}' is experimental: its parameters may change`;
  if (UNGATED_TYPES.has(type)) {
    problems.warn('experimental-type', place, `${message}; --allow-experimental-plugins silences this`);
    return true;
  }
  problems.error('experimental-type', place, `${message}; --allow-experimental-plugins allows it`);
  return false;
}
