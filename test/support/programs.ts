import { accessSync, constants } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** Where programs that tests need are kept once built: outside of the checkout, so that a fresh one finds them. */
export const CACHE_FOLDER = join(
  process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'),
  'endpoint-picker',
);

/** Folders of the PATH, in its order. */
export const PATH_FOLDERS: readonly string[] = (process.env['PATH'] ?? '')
  .split(delimiter)
  .filter((folder) => folder !== '');

/** Whether something that may be executed is at `path`. */
export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
