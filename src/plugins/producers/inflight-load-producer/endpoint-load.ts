import type { Endpoint } from '../../../framework/endpoint.ts';
import type { Instruments } from '../../../framework/instruments.ts';
import { DEFAULT_FAIRNESS_ID } from '../../../framework/request.ts';
import type { InFlightLoad } from '../../attributes/in-flight-load.ts';

/** Flows of one endpoint that have series of their own; more are counted together, so clients cannot add series. */
const MAX_FLOWS = 16;
const OTHER_FLOWS = 'other';

/** Counters that never go below 0. */
export class Load implements InFlightLoad {
  requests = 0;
  tokens = 0;

  add(requests: number, tokens: number): void {
    this.requests += requests;
    this.tokens += tokens;
  }

  release(requests: number, tokens: number): void {
    this.requests = Math.max(0, this.requests - requests);
    this.tokens = Math.max(0, this.tokens - tokens);
  }

  get isIdle(): boolean {
    return this.requests === 0 && this.tokens === 0;
  }
}

/** What tells the flows of an endpoint apart. */
export interface Flow {
  readonly fairnessId: string;
  readonly priority: number;
}

interface FlowSeries {
  readonly load: Load;
  readonly remove: readonly (() => void)[];
}

/** Load of one endpoint, in all and by flow. Whoever added to it releases from it, also after the endpoint left. */
export class EndpointLoad {
  readonly endpoint: Endpoint;
  /** Over all flows; what other plugins see. */
  readonly total = new Load();
  readonly #instruments: Instruments;
  readonly #producerName: string;
  readonly #flows = new Map<string, FlowSeries>();

  constructor(endpoint: Endpoint, instruments: Instruments, producerName: string) {
    this.endpoint = endpoint;
    this.#instruments = instruments;
    this.#producerName = producerName;
    this.flow({ fairnessId: DEFAULT_FAIRNESS_ID, priority: 0 });
  }

  /** The counters of a flow; those of a flow without requests may go to another. */
  flow({ fairnessId, priority }: Flow): Load {
    const key = `${priority} ${fairnessId}`;
    const known = this.#flows.get(key);
    if (known !== undefined) return known.load;
    if (this.#flows.size >= MAX_FLOWS && fairnessId !== OTHER_FLOWS && !this.#dropIdle()) {
      return this.flow({ fairnessId: OTHER_FLOWS, priority });
    }
    const load = new Load();
    this.#flows.set(key, { load, remove: this.#register(load, { fairnessId, priority }) });
    return load;
  }

  /** Takes the endpoint's series away. */
  close(): void {
    for (const { remove } of this.#flows.values()) for (const take of remove) take();
    this.#flows.clear();
  }

  #dropIdle(): boolean {
    for (const [key, { load, remove }] of this.#flows) {
      if (!load.isIdle) continue;
      for (const take of remove) take();
      this.#flows.delete(key);
      return true;
    }
    return false;
  }

  #register(load: Load, { fairnessId, priority }: Flow): readonly (() => void)[] {
    const labels = {
      endpoint_name: this.endpoint.name,
      namespace: this.endpoint.namespace,
      producer_name: this.#producerName,
      fairness_id: fairnessId,
      priority: String(priority),
    };
    return [
      this.#instruments.gauge('inflight_requests', labels, () => load.requests),
      this.#instruments.gauge('inflight_tokens', labels, () => load.tokens),
    ];
  }
}
