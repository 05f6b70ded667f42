import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { buildPipeline } from '../../src/config/build.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { problemText } from '../../src/config/problems.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { context } from './builders.ts';

export const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

export function load(text: string) {
  return loadConfiguration(text, { catalogue: CATALOGUE });
}

export function example(name: string): string {
  return readFileSync(`config/examples/${name}.yaml`, 'utf8');
}

/** Loads, builds, and shows what matters of the pipeline. */
export function picture(text: string) {
  const { document, problems } = load(text);
  expect(problems.filter((problem) => problem.severity === 'error').map(problemText)).toEqual([]);
  if (document === undefined) throw new Error('not loaded');
  const { pipeline, problems: faults } = buildPipeline(document, (name) => context(name));
  expect(faults.map(problemText)).toEqual([]);
  if (pipeline === undefined) throw new Error('not built');
  return {
    warnings: problems.map((problem) => problem.code),
    profiles: pipeline.profiles.map((profile) => ({
      name: profile.name,
      filters: profile.filters.map((one) => one.name),
      scorers: Object.fromEntries(profile.scorers.map((one) => [one.name, one.weight])),
      picker: profile.picker.name,
    })),
    producers: pipeline.producers.map((one) => one.name),
    parsers: pipeline.parsers.map((one) => one.type),
    sources: pipeline.sources.map((one) => [one.source.type, ...one.extractors.map((entry) => entry.type)]),
    handler: pipeline.handler.type,
    detector: pipeline.saturationDetector.name,
    discovery: pipeline.discovery?.name,
  };
}

/** What every complete configuration has unless it says otherwise. */
export const USUAL = {
  warnings: [] as string[],
  producers: [] as string[],
  parsers: ['openai-parser', 'anthropic-parser', 'vllmhttp-parser', 'passthrough-parser'],
  sources: [['metrics-data-source', 'core-metrics-extractor']],
  handler: 'single-profile-handler',
  detector: 'utilization-detector',
  discovery: undefined as string | undefined,
};

export const PREFIX_PRODUCERS = ['token-producer', 'approx-prefix-cache-producer'];

export const DEFAULT = {
  ...USUAL,
  profiles: [
    {
      name: 'default',
      filters: [],
      scorers: { 'queue-scorer': 2, 'kv-cache-utilization-scorer': 2, 'prefix-cache-scorer': 3 },
      picker: 'max-score-picker',
    },
  ],
  producers: PREFIX_PRODUCERS,
};

export function profile(
  scorers: Record<string, number>,
  rest: { name?: string; filters?: string[]; picker?: string } = {},
) {
  return [{ name: 'default', filters: [], scorers, picker: 'max-score-picker', ...rest }];
}
