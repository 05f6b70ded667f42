import type { AnyPluginDefinition } from '../framework/plugin.ts';

const FILTERS: readonly AnyPluginDefinition[] = [];
export const SCORERS: readonly AnyPluginDefinition[] = [];
const PICKERS: readonly AnyPluginDefinition[] = [];
const PROFILE_HANDLERS: readonly AnyPluginDefinition[] = [];
const HEADER_PROCESSORS: readonly AnyPluginDefinition[] = [];
const PRODUCERS: readonly AnyPluginDefinition[] = [];
const PARSERS: readonly AnyPluginDefinition[] = [];
const SATURATION_DETECTORS: readonly AnyPluginDefinition[] = [];
const SOURCES: readonly AnyPluginDefinition[] = [];
const EXTRACTORS: readonly AnyPluginDefinition[] = [];
const DISCOVERY: readonly AnyPluginDefinition[] = [];

/** Every built-in plugin. A type or alias listed twice fails the start. */
export const CATALOGUE: readonly AnyPluginDefinition[] = [
  ...FILTERS,
  ...SCORERS,
  ...PICKERS,
  ...PROFILE_HANDLERS,
  ...HEADER_PROCESSORS,
  ...PRODUCERS,
  ...PARSERS,
  ...SATURATION_DETECTORS,
  ...SOURCES,
  ...EXTRACTORS,
  ...DISCOVERY,
];
