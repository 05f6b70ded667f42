import { Attributes } from './attribute.ts';
import type { EndpointId } from './ids.ts';

const NO_MODELS: ReadonlySet<string> = new Set();

/** What a model server says of itself. Fields keep their zero values until a scrape delivers them. */
export class EndpointMetrics {
  /** LoRA adapters running. */
  activeModels: ReadonlySet<string> = NO_MODELS;
  /** LoRA adapters waiting. */
  waitingModels: ReadonlySet<string> = NO_MODELS;
  /** Most adapters resident at once; 0 when the server reports none. */
  maxActiveModels = 0;
  runningRequestsSize = 0;
  waitingQueueSize = 0;
  /** Share of the KV cache in use, 0..1. */
  kvCacheUsage = 0;
  /** Tokens in one KV block; 0 when unknown. */
  cacheBlockSize = 0;
  /** KV blocks on the accelerator; 0 when unknown. */
  cacheNumBlocks = 0;
  /** `Clock.nowMs()` of the last scrape that delivered a value; -Infinity before the first. */
  updatedAtMs = Number.NEGATIVE_INFINITY;
}

/** Where an endpoint is and what it is called; what discovery delivers. */
export interface EndpointMetadata {
  readonly id: EndpointId;
  readonly namespace: string;
  /** Pod or entry name, without rank. */
  readonly name: string;
  /** IP address or host name, IPv6 without brackets. */
  readonly address: string;
  /** 1..65535. */
  readonly port: number;
  /** Address of the node, '' when unknown. */
  readonly nodeAddress: string;
  /** `host:port` that answers `/metrics`, IPv6 bracketed. */
  readonly metricsHost: string;
  readonly labels: ReadonlyMap<string, string>;
  /** Position of the port among the pool's target ports. */
  readonly rankIndex: number;
}

/**
 * One serving address and rank. One object for as long as identity and address stay the same; created and
 * changed by `data/store.ts` only, except the counters that name another owner.
 */
export class Endpoint {
  readonly id: EndpointId;
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly nodeAddress: string;
  readonly metricsHost: string;
  readonly rankIndex: number;
  /** `address:port` as Envoy takes it, IPv6 bracketed. */
  readonly hostPort: string;
  /**
   * Small dense number, unique among present endpoints: the index into per-endpoint arrays and bit sets. Reused
   * only after every plugin's `endpointRemoved` has run.
   */
  readonly slot: number;
  labels: ReadonlyMap<string, string>;
  /** As scraped; written by extractors. */
  readonly scraped = new EndpointMetrics();
  /**
   * What scorers and filters read: `scraped` while it is fresh, else a cautious estimate
   * (`scheduling/load-view.ts`), so that an endpoint nobody heard of does not look idle.
   */
  metrics: EndpointMetrics = this.scraped;
  /** False while `metrics` is an estimate. */
  isFresh = false;
  /** Requests this picker sent here that have not ended; owned by `request/in-flight.ts`. */
  inFlightRequests = 0;
  /**
   * Milliseconds from the last good scrape to the one planned after it: more while no requests flow than while they
   * do, so that age alone does not tell that something is wrong; 0 before the first. Owned by `data/poller.ts`.
   */
  scrapeIntervalMs = 0;
  /** False after a refused connection until the next good scrape; owned by `data/reachability.ts`. */
  isReachable = true;
  readonly attributes = new Attributes('endpoint');

  constructor(metadata: EndpointMetadata, slot: number) {
    this.id = metadata.id;
    this.namespace = metadata.namespace;
    this.name = metadata.name;
    this.address = metadata.address;
    this.port = metadata.port;
    this.nodeAddress = metadata.nodeAddress;
    this.metricsHost = metadata.metricsHost;
    this.rankIndex = metadata.rankIndex;
    this.labels = metadata.labels;
    this.hostPort = hostPort(metadata.address, metadata.port);
    this.slot = slot;
  }
}

/** Planned intervals after which a scrape is late: one that is due is waited for. */
const LATE_INTERVALS = 1.5;

/**
 * Age in milliseconds past which the last scrape of an endpoint says nothing of now: `thresholdMs`, or longer where the
 * next one was planned for later.
 */
export function staleAfterMs({ scrapeIntervalMs }: Endpoint, thresholdMs: number): number {
  return Math.max(thresholdMs, LATE_INTERVALS * scrapeIntervalMs);
}

/** `address:port`, with brackets around an IPv6 address. */
export function hostPort(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

const MAX_PORT = 65_535;

/** Reads `host:port`, an IPv6 address in brackets; undefined when it is none. The host is without brackets. */
export function parseHostPort(text: string): { readonly host: string; readonly port: number } | undefined {
  const bracketed = /^\[([^\]]*:[^\]]*)\]:(\d+)$/.exec(text);
  const plain = /^([^:[\]\s/]+):(\d+)$/.exec(text);
  const [, host = '', digits = ''] = bracketed ?? plain ?? [];
  const port = Number(digits);
  return host === '' || port < 1 || port > MAX_PORT ? undefined : { host, port };
}
