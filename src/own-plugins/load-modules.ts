import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { faultText, placeOf, placeOfText, placeText } from './fault.ts';
import { failedImport, importFrom } from './resolve-hook.ts';
import { shapeOf } from './shape.ts';

/** What a module that a configuration names gave: definitions, or why it cannot be used. */
export type LoadedModule =
  | { readonly definitions: readonly AnyPluginDefinition[]; readonly fault?: undefined }
  | { readonly definitions?: undefined; readonly fault: string };

/**
 * Imports each of `names` as seen from `folder`: a path relative to it, an absolute path, or a package installed there
 * or above. Never rejects.
 */
export async function loadModules(
  names: readonly string[],
  folder: string,
): Promise<ReadonlyMap<string, LoadedModule>> {
  const modules = new Map<string, LoadedModule>();
  for (const name of names) if (!modules.has(name)) modules.set(name, await loadModule(name, folder));
  return modules;
}

async function loadModule(name: string, folder: string): Promise<LoadedModule> {
  const file = fileOf(name, folder);
  if (file !== undefined && !existsSync(file)) return { fault: `no such file: ${file}` };
  let namespace: object;
  try {
    const base = pathToFileURL(join(folder, 'configuration')).href;
    namespace = await importFrom(file === undefined ? name : pathToFileURL(file).href, base);
  } catch (error) {
    return { fault: importFault(error, name, folder) };
  }
  const { definitions, faults } = shapeOf(namespace);
  if (faults.length === 0) return { definitions };
  const lines = faults.map(
    ({ name: exported, reason }) =>
      `${file === undefined ? name : placeText(placeOfText(file, exported))}: ${reason}`,
  );
  return { fault: lines.join('; ') };
}

/** Path of a module that is a file; undefined for a package. */
function fileOf(name: string, folder: string): string | undefined {
  if (name.startsWith('file:')) return fileURLToPath(name);
  if (isAbsolute(name)) return name;
  const file = join(folder, name);
  return /^\.{1,2}(?:\/|$)/.test(name) || existsSync(file) ? file : undefined;
}

function importFault(error: unknown, name: string, folder: string): string {
  const failed = failedImport(error);
  if (failed !== undefined) {
    const message = error instanceof Error ? error.message : String(error);
    const place = placeOfText(failed.importer, failed.specifier);
    return `${placeText(place)}: cannot import '${failed.specifier}': ${message.replace(/ imported from .*$/, '')}`;
  }
  if (placeOf(error) === undefined) {
    const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
    if (code === 'ERR_MODULE_NOT_FOUND') return `no package '${name}' is installed in ${folder} or above it`;
  }
  return describe(error);
}

/** `PLACE: message`, with advice where the message alone does not help. */
function describe(error: unknown): string {
  const place = placeOf(error);
  if (place === undefined) return faultText(error);
  const message = error instanceof Error ? `${nameOf(error)}${error.message}` : `threw ${String(error)}`;
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const advice =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? '; types are removed, not compiled: write plain JavaScript there'
      : '';
  return `${placeText(place)}: ${message}${advice}`;
}

function nameOf({ name, message }: Error): string {
  return name === 'Error' || message.startsWith(name) ? '' : `${name}: `;
}
