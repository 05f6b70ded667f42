import type { Endpoint } from '../../../framework/endpoint.ts';
import type { CounterCell } from '../../../framework/instruments.ts';

/** The items an endpoint was sent latest, up to a number; asking for one does not renew it. */
export class RecentItems {
  readonly endpoint: Endpoint;
  /** Hits by modality, kept so that no labels are put together per request; the owner fills it. */
  readonly hits = new Map<string, CounterCell>();
  readonly #capacity: number;
  /** Oldest first; a set keeps the order of insertion. */
  readonly #ids = new Set<number>();

  constructor(endpoint: Endpoint, capacity: number) {
    this.endpoint = endpoint;
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#ids.size;
  }

  has(id: number): boolean {
    return this.#ids.has(id);
  }

  /** Makes `id` the latest one; the oldest leaves when there are too many. */
  add(id: number): void {
    this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size <= this.#capacity) return;
    for (const oldest of this.#ids) {
      this.#ids.delete(oldest);
      return;
    }
  }
}
