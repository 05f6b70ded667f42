import { LogGate } from '../util/log-gate.ts';
import { filesOf } from './fault.ts';
import { type Origin, originNow } from './origin.ts';

/** Files of modules that a configuration names, and what they import. */
const ownFiles = new Set<string>();

let count = (): void => {};
const gate = new LogGate();

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
  /** Who started what failed; empty when nobody knows. */
  readonly origin: Origin;
  /** Of the plugin; undefined when the stack has none. */
  readonly file: string | undefined;
  /** False when others were logged shortly before. */
  readonly isLogged: boolean;
}

/**
 * Takes an error that nobody caught, in a timer, socket or promise that a plugin left behind; undefined when it is not a
 * plugin's alone. To be called by the handlers of the process: they run in the context of what failed. `nowMs`:
 * `Clock.nowMs()`.
 */
export function takeStrayError(
  event: 'uncaughtException' | 'unhandledRejection',
  error: unknown,
  nowMs: number,
): StrayError | undefined {
  const files = filesOf(error);
  const origin = originNow();
  if (ownFiles.size === 0 || (origin === undefined && !isOfPlugin(event, files))) return undefined;
  count();
  return { origin: origin ?? {}, file: files.find(isOwnFile), isLogged: gate.pass(nowMs) };
}

/**
 * Whether a stack alone makes an error a plugin's. A rejected promise is a plugin's when it threw; an exception when
 * nothing of this program was on the way, so that nothing of it was cut off. A stack without any file, as of a refused
 * connection, says nothing: with modules loaded it is more likely theirs.
 */
function isOfPlugin(event: 'uncaughtException' | 'unhandledRejection', files: readonly string[]): boolean {
  const [file] = files;
  if (file === undefined) return true;
  return event === 'uncaughtException' ? files.every(isOwnFile) : isOwnFile(file);
}
