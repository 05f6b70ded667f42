import { readFileSync } from 'node:fs';
import { buildPipeline } from '../config/build.ts';
import { readDocument } from '../config/document.ts';
import type { LoadOptions } from '../config/draft.ts';
import type { EndpointPickerConfig } from '../config/load.ts';
import { positionOf } from '../config/node.ts';
import { poolsOf } from '../config/pools.ts';
import { type Problem, ProblemList } from '../config/problems.ts';
import { context } from '../own-plugins/values.ts';
import { type ConfigSource, loadConfig } from './load-config.ts';

/** A configuration that was checked as the start of the picker does. */
export interface CheckedConfig {
  /** As given; '' for text that is in no file. */
  readonly file: string;
  /** Undefined when one of `problems` is an error. */
  readonly config: EndpointPickerConfig | undefined;
  readonly problems: readonly Problem[];
}

/** Loads a configuration and constructs its plugins; every problem at once. Never rejects. */
export async function checkConfig(source: ConfigSource, options: LoadOptions): Promise<CheckedConfig> {
  const { document, problems } = await loadConfig(source, options);
  const { file } = source;
  if (document === undefined) return { file, config: undefined, problems };
  const built = buildPipeline(document, (name, type) => context({ name, type }));
  const config = built.pipeline === undefined ? undefined : document;
  return { file, config, problems: [...problems, ...built.problems] };
}

/**
 * Checks the files that `pools` of a configuration name, each once; paths are seen from the working directory, as when the
 * picker starts. A file that cannot be read, or that lists pools of its own, is a problem of `source`.
 */
export async function checkPoolFiles(
  source: ConfigSource,
  options: LoadOptions,
): Promise<{ readonly problems: readonly Problem[]; readonly files: readonly CheckedConfig[] }> {
  const root = readDocument(source.text, new ProblemList()); // what is wrong with it has been reported
  const problems = new ProblemList();
  const files = new Map<string, CheckedConfig>();
  for (const [i, { configFile }] of root === undefined ? [] : poolsOf(root).entries()) {
    if (root === undefined || configFile === undefined || files.has(configFile)) continue;
    const path = ['pools', i, 'configFile'];
    const refuse = (reason: string) =>
      problems.error(
        'invalid-value',
        { path, at: positionOf(root, path) },
        `pools[${i}].configFile: ${reason}`,
      );
    let text: string;
    try {
      text = readFileSync(configFile, 'utf8');
    } catch (error) {
      refuse(error instanceof Error ? error.message : String(error));
      continue;
    }
    const checked = await checkConfig({ text, file: configFile }, options);
    files.set(configFile, checked);
    if ((checked.config?.pools.length ?? 0) > 0) refuse(`'${configFile}' lists pools of its own`);
  }
  return { problems: problems.sorted(), files: [...files.values()] };
}
