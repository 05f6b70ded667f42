import { type FSWatcher, realpathSync, statSync, watch } from 'node:fs';
import { dirname } from 'node:path';
import type { CancelTimer, Clock } from '../../../util/clock.ts';

/** Quiet time after the last event: editors and ConfigMap updates touch several files at once. */
const DEBOUNCE_MS = 100;

/** Events that never stop are looked at this often all the same. */
const LONGEST_WAIT_MS = 1_000;

/** For file systems that tell of no changes, and for links in between that are watched by nobody. */
const POLL_MS = 5_000;

/**
 * Calls back when a file may have changed: written in place, replaced by a rename, deleted and made again, or swapped
 * by a symbolic link, as Kubernetes does with ConfigMaps. Watches the directory of the path and that of the file it
 * leads to, because a watch on the file itself is lost with the file.
 */
export class FileWatcher {
  readonly #path: string;
  readonly #clock: Clock;
  readonly #changed: () => void;
  /** Watched directories with the identity they had then. */
  readonly #watches = new Map<string, { readonly inode: number; readonly watcher: FSWatcher }>();
  readonly #cancelPoll: CancelTimer;
  #cancelDebounce: CancelTimer | undefined;
  #firstEventMs = Number.NaN;
  #isClosed = false;

  /** `changed` is called at most every 100 ms, also when nothing changed. */
  constructor(path: string, clock: Clock, changed: () => void) {
    this.#path = path;
    this.#clock = clock;
    this.#changed = changed;
    this.#attach();
    this.#cancelPoll = clock.every(POLL_MS, () => this.#fire());
  }

  /** Stops; `changed` is not called again. */
  close(): void {
    this.#isClosed = true;
    this.#cancelPoll();
    this.#cancelDebounce?.();
    for (const { watcher } of this.#watches.values()) watcher.close();
    this.#watches.clear();
  }

  #noticed(): void {
    if (this.#isClosed) return;
    const nowMs = this.#clock.nowMs();
    if (this.#cancelDebounce === undefined) this.#firstEventMs = nowMs;
    this.#cancelDebounce?.();
    const leftMs = this.#firstEventMs + LONGEST_WAIT_MS - nowMs;
    this.#cancelDebounce = this.#clock.after(Math.max(0, Math.min(DEBOUNCE_MS, leftMs)), () => this.#fire());
  }

  #fire(): void {
    this.#cancelDebounce?.();
    this.#cancelDebounce = undefined;
    this.#attach();
    this.#changed();
  }

  /** Watches the directories that matter at this moment and no others. */
  #attach(): void {
    const wanted = new Set([dirname(this.#path), dirname(resolveLinks(this.#path))]);
    for (const [directory, { inode, watcher }] of this.#watches) {
      if (wanted.has(directory) && inodeOf(directory) === inode) continue;
      watcher.close();
      this.#watches.delete(directory);
    }
    for (const directory of wanted) if (!this.#watches.has(directory)) this.#watch(directory);
  }

  #watch(directory: string): void {
    const inode = inodeOf(directory);
    if (inode === undefined) return;
    try {
      const watcher = watch(directory, { persistent: false }, () => this.#noticed());
      watcher.on('error', () => {
        watcher.close();
        this.#watches.delete(directory);
      });
      this.#watches.set(directory, { inode, watcher });
    } catch {
      // gone in this moment, or no watches left: the poll remains
    }
  }
}

function inodeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.ino;
}

/** The path itself while it leads nowhere. */
function resolveLinks(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
