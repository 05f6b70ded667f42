import { filesOf } from './fault.ts';

/** Files of modules that a configuration names, and what they import. */
const ownFiles = new Set<string>();

/** A program that does nothing else must not drown in these. */
const LOG_INTERVAL_MS = 30_000;

let count = (): void => {};
let mayLogAtMs = Number.NEGATIVE_INFINITY;

/** `file` belongs to a plugin of one's own. */
export function noteOwnFile(file: string): void {
  ownFiles.add(file);
}

/** Whether `file` belongs to a plugin of one's own. */
export function isOwnFile(file: string): boolean {
  return ownFiles.has(file);
}

/** Calls `counted` for every error that is contained from now on. */
export function countStrayErrors(counted: () => void): void {
  count = counted;
}

/** What became of an error that nobody caught. */
export interface StrayError {
  /** Of the plugin. */
  readonly file: string;
  /** False when others were logged shortly before. */
  readonly isLogged: boolean;
}

/**
 * Takes an error that nobody caught, in a timer or a promise that a plugin left behind; undefined when it is not a
 * plugin's alone. A rejected promise is a plugin's when it threw; an exception when nothing of this program was on
 * the way, so that nothing of it was cut off. `nowMs`: `Clock.nowMs()`.
 */
export function takeStrayError(
  event: 'uncaughtException' | 'unhandledRejection',
  error: unknown,
  nowMs: number,
): StrayError | undefined {
  const files = filesOf(error);
  const [file] = files;
  if (file === undefined || !ownFiles.has(file)) return undefined;
  if (event === 'uncaughtException' && !files.every((one) => ownFiles.has(one))) return undefined;
  count();
  const isLogged = nowMs >= mayLogAtMs;
  if (isLogged) mayLogAtMs = nowMs + LOG_INTERVAL_MS;
  return { file, isLogged };
}
