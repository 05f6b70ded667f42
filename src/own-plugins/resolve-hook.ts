import { registerHooks } from 'node:module';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isOwnFile, noteOwnFile } from './stray.ts';

/** What a plugin may import of this program, and the file that it is, without extension. */
const SURFACE: ReadonlyMap<string, string> = new Map([
  ['endpoint-picker/plugin', 'plugin'],
  ['endpoint-picker/testing', 'testing'],
]);

/** Stands before specifier and base of a module that the configuration names. */
const ENTRY = 'epp-module:';

/** `.ts` from source, `.js` when compiled. */
const EXTENSION = extname(fileURLToPath(import.meta.url));

let isInstalled = false;

/** An import that could not be resolved. */
interface FailedImport {
  /** As written. */
  readonly specifier: string;
  /** File that has the import. */
  readonly importer: string;
}

/** By the error that Node.js threw, which is left as it is: libraries read its code. */
const failedImports = new WeakMap<object, FailedImport>();

/** The import of a plugin's file that made `error`; undefined when it is about something else. */
export function failedImport(error: unknown): FailedImport | undefined {
  return typeof error === 'object' && error !== null ? failedImports.get(error) : undefined;
}

/**
 * Makes `endpoint-picker/plugin` mean this running program, whatever is installed where, so that keys and classes are the
 * program's own. Idempotent. Files outside the program that say no format are ES modules when they are TypeScript.
 */
export function installResolveHook(): void {
  if (isInstalled) return;
  isInstalled = true;
  registerHooks({
    resolve(specifier, context, nextResolve) {
      const surface = SURFACE.get(specifier);
      if (surface !== undefined) {
        const url = new URL(`../${surface}${EXTENSION}`, import.meta.url).href;
        return { url, shortCircuit: true };
      }
      if (specifier.startsWith('endpoint-picker/')) {
        throw noted(
          new Error(`'${specifier}' is not for plugins, want 'endpoint-picker/plugin'`),
          specifier,
          context.parentURL,
        );
      }
      if (specifier.startsWith(ENTRY)) {
        const { name, base } = readEntry(specifier);
        return own(asModule(nextResolve(name, { ...context, parentURL: base })));
      }
      try {
        const resolved = asModule(nextResolve(specifier, context));
        return isOwn(context.parentURL) ? own(resolved) : resolved;
      } catch (error) {
        throw noted(error, specifier, context.parentURL);
      }
    },
  });
}

/** `resolved`, known as a file of a plugin from now on. */
function own<Resolved extends { readonly url: string }>(resolved: Resolved): Resolved {
  if (resolved.url.startsWith('file:')) noteOwnFile(fileURLToPath(resolved.url));
  return resolved;
}

function isOwn(parentUrl = ''): boolean {
  return parentUrl.startsWith('file:') && isOwnFile(fileURLToPath(parentUrl));
}

/** `error`, with the import that made it on record. */
function noted(error: unknown, specifier: string, parentUrl = ''): unknown {
  if (parentUrl.startsWith('file:') && typeof error === 'object' && error !== null) {
    failedImports.set(error, { specifier, importer: fileURLToPath(parentUrl) });
  }
  return error;
}

/** Imports `name` as a file that lies at `base` (a `file:` URL) would. */
export async function importFrom(name: string, base: string): Promise<object> {
  installResolveHook();
  const namespace: unknown = await import(`${ENTRY}${encodeURIComponent(JSON.stringify([name, base]))}`);
  return namespace as object; // a module namespace is an object
}

function readEntry(specifier: string): { readonly name: string; readonly base: string } {
  const parts: unknown = JSON.parse(decodeURIComponent(specifier.slice(ENTRY.length)));
  const [name, base] = parts as [string, string]; // importFrom wrote it
  return { name, base };
}

/** Type stripping guesses the format of a file without `package.json`, and warns; TypeScript here is always a module. */
function asModule<Resolved extends { readonly url: string; readonly format?: string | null | undefined }>(
  resolved: Resolved,
): Resolved {
  const hasFormat = resolved.format !== undefined && resolved.format !== null;
  return hasFormat || !resolved.url.endsWith('.ts') ? resolved : { ...resolved, format: 'module-typescript' };
}
