import { existsSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { AnyPluginDefinition } from '../framework/plugin.ts';
import { systemClock } from '../util/clock.ts';
import { faultText, messageOf, placeOf, placeOfText, placeText } from './fault.ts';
import { runAs } from './origin.ts';
import { failedImport, importFrom } from './resolve-hook.ts';
import { shapeOf } from './shape.ts';

/** An import that takes longer waits for something that does not come. */
const IMPORT_TIMEOUT_MS = 10_000;

/** What a module that a configuration names gave: definitions, or why it cannot be used. */
export type LoadedModule =
  | { readonly definitions: readonly AnyPluginDefinition[]; readonly fault?: undefined }
  | { readonly definitions?: undefined; readonly fault: string };

/**
 * Imports each of `names` as seen from `folder`: a path relative to it, an absolute path, or a package installed there
 * or above. Never rejects; no import is waited for longer than ten seconds.
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
  try {
    const file = fileOf(name, folder);
    if (file !== undefined && !existsSync(file)) return { fault: `no such file: ${file}` };
    const base = pathToFileURL(join(folder, 'configuration')).href;
    const url = file === undefined ? name : pathToFileURL(file).href;
    const namespace = await ended(runAs({ module: name }, () => importFrom(url, base)));
    if (namespace === undefined)
      return { fault: 'its import does not end: it waits for something at its top level' };
    return loadedModule(namespace, name, file);
  } catch (error) {
    return { fault: importFault(error, name, folder) };
  }
}

/** What `importing` gives; undefined when it goes on for too long, or nothing is left in the process that could end it. */
async function ended(importing: Promise<object>): Promise<object | undefined> {
  const { promise: isOver, resolve } = Promise.withResolvers<undefined>();
  const giveUp = () => resolve(undefined);
  const cancel = systemClock.after(IMPORT_TIMEOUT_MS, giveUp);
  process.once('beforeExit', giveUp); // the timer keeps no process alive
  try {
    return await Promise.race([importing, isOver]);
  } finally {
    cancel();
    process.off('beforeExit', giveUp);
  }
}

function loadedModule(namespace: object, name: string, file: string | undefined): LoadedModule {
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
  try {
    return explained(error, name, folder);
  } catch {
    return faultText(error); // its members cannot be read
  }
}

function explained(error: unknown, name: string, folder: string): string {
  const failed = failedImport(error);
  if (failed !== undefined) {
    const message = messageOf(error);
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
  const message = `${nameOf(error)}${messageOf(error)}`;
  const code: unknown = error instanceof Error ? Reflect.get(error, 'code') : undefined;
  const advice =
    code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
      ? '; types are removed, not compiled: write plain JavaScript there'
      : '';
  return `${placeText(place)}: ${message}${advice}`;
}

function nameOf(error: unknown): string {
  const name = error instanceof Error ? String(error.name) : 'Error';
  return name === 'Error' || messageOf(error).startsWith(name) ? '' : `${name}: `;
}
