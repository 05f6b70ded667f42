import type { Log } from '../framework/log.ts';

/** Logs what is wrong with the objects of one kind, each time that it changes. */
export class ProblemLog {
  readonly #log: Log;
  readonly #kind: string;
  #known: ReadonlyMap<string, string> = new Map();

  constructor(log: Log, kind: string) {
    this.#log = log;
    this.#kind = kind;
  }

  /** `objects`: all of the kind as of now. */
  update(objects: Iterable<{ readonly name: string; readonly problems: readonly string[] }>): void {
    const current = new Map<string, string>();
    for (const { name, problems } of objects) {
      if (problems.length === 0) continue;
      const text = problems.join('; ');
      current.set(name, text);
      if (this.#known.get(name) !== text) {
        this.#log.warn({ kind: this.#kind, name, problems }, 'an object in Kubernetes has problems');
      }
    }
    this.#known = current;
  }
}
