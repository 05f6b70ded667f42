import { dirname, resolve } from 'node:path';
import process from 'node:process';
import type { LoadOptions } from '../config/draft.ts';
import { type LoadResult, loadConfiguration } from '../config/load.ts';
import { modulesIn } from '../config/own-types.ts';
import { loadModules } from '../own-plugins/load-modules.ts';

/** Text of a configuration, and where it is from. */
export interface ConfigSource {
  readonly text: string;
  /** '' for text that is in no file: modules are then looked for from the working directory. */
  readonly file: string;
}

/**
 * Reads a configuration after the modules that it names were imported; every command loads by this. Reports every problem
 * at once; never rejects.
 */
export async function loadConfig(
  { text, file }: ConfigSource,
  options: Omit<LoadOptions, 'modules'>,
): Promise<LoadResult> {
  const names = modulesIn(text);
  if (names.length === 0) return loadConfiguration(text, options);
  const folder = file === '' ? process.cwd() : dirname(resolve(file));
  return loadConfiguration(text, { ...options, modules: await loadModules(names, folder) });
}
