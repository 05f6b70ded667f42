import { ConfigurationError } from '../framework/errors.ts';
import type { Parser } from '../framework/parser.ts';
import type { Pipeline, ProfileSpec } from '../framework/pipeline.ts';
import type { Named } from '../framework/plugin.ts';
import { isEventSource } from './defaults.ts';
import { checkEventSources } from './event-sources.ts';
import { type ContextFactory, type Guard, Instances } from './instances.ts';
import type { EndpointPickerConfig } from './load.ts';
import { type Problem, ProblemList } from './problems.ts';
import type { Profile } from './profiles.ts';

/** What building gives. */
export interface BuildResult {
  /** Undefined when one of `problems` is an error. */
  readonly pipeline: Pipeline | undefined;
  readonly problems: readonly Problem[];
}

/**
 * Constructs every plugin, in declaration order and then added ones, but each after those that it names, and puts each
 * into the places it serves. Reports
 * every plugin that cannot be constructed, not only the first; never throws for a fault of a plugin.
 */
export function buildPipeline(
  config: EndpointPickerConfig,
  contextFor: ContextFactory,
  guard: Guard = ({ plugin }) => plugin,
): BuildResult {
  const problems = new ProblemList();
  const instances = new Instances(config, problems, { contextFor, guard });
  for (const entry of config.plugins) instances.create(entry);
  if (problems.hasErrors) return { pipeline: undefined, problems: problems.sorted() };
  const pipeline = assemble(config, instances, problems);
  return { pipeline: problems.hasErrors ? undefined : pipeline, problems: problems.sorted() };
}

function assemble(config: EndpointPickerConfig, instances: Instances, problems: ProblemList): Pipeline {
  const { plugins } = config;
  checkEventSources(config.sources, instances, problems);
  return {
    profiles: config.profiles.map((profile) => profileSpec(profile, instances)),
    handler: instances.as('profile-handler', config.handler),
    headerProcessors: instances.all('header-processor', plugins),
    screeners: instances.all('screener', plugins),
    producers: instances.all('producer', config.producers),
    admitters: instances.all('admitter', plugins),
    preRequestHooks: instances.all('pre-request', plugins),
    responseHeaderHooks: instances.all('response-header', plugins),
    responseBodyHooks: instances.all('response-body', plugins),
    endpointObservers: instances.all('endpoint-observer', plugins),
    objectObservers: instances.all('object-observer', plugins),
    readinessChecks: instances.all('readiness-check', plugins),
    parsers: reachableParsers(config, instances, problems),
    saturationDetector: instances.as('saturation-detector', config.saturationDetector),
    sources: pollSources(config, instances, problems),
    discovery: config.discovery === undefined ? undefined : instances.as('discovery', config.discovery),
    plugins: plugins.map((entry) => instances.named(entry)),
  };
}

function pollSources(
  config: EndpointPickerConfig,
  instances: Instances,
  problems: ProblemList,
): Pipeline['sources'] {
  const polled = config.sources.filter((binding) => !isEventSource(binding.source));
  return polled.map((binding) => {
    const source = instances.as('source', binding.source);
    const extractors = binding.extractors.map((entry) => {
      const extractor = instances.as('extractor', entry);
      if (extractor.plugin.payload !== source.plugin.payload) {
        problems.error(
          'wrong-kind',
          entry.place,
          `extractor '${extractor.name}' reads ${extractor.plugin.payload}, but source '${source.name}' delivers ${source.plugin.payload}`,
        );
      }
      return extractor;
    });
    return { source, extractors };
  });
}

function profileSpec(profile: Profile, instances: Instances): ProfileSpec {
  const entries = profile.members.map((member) => member.plugin);
  const [picker] = instances.all('picker', entries);
  if (picker === undefined) throw new ConfigurationError(`profile '${profile.name}' has no picker`);
  return {
    name: profile.name,
    filters: instances.all('filter', entries),
    scorers: profile.members
      .filter(({ plugin }) => plugin.definition.kinds.includes('scorer'))
      .map(({ plugin, weight }) => ({ ...instances.as('scorer', plugin), weight })),
    picker,
  };
}

/** A parser that claims no path takes what the others leave; parsers behind it would never be asked. */
function reachableParsers(
  config: EndpointPickerConfig,
  instances: Instances,
  problems: ProblemList,
): readonly Named<Parser>[] {
  const parsers: Named<Parser>[] = [];
  for (const entry of config.parsers) {
    const fallback = parsers.at(-1);
    if (fallback?.plugin.pathSuffixes.length === 0) {
      problems.warn(
        'ineffective-reference',
        entry.place,
        `parser '${entry.name}' stands behind '${fallback.name}', which takes every path, and is left out`,
      );
      continue;
    }
    parsers.push(instances.as('parser', entry));
  }
  return parsers;
}
