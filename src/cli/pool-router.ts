import type { Decision, ExchangeContext, RequestStage, ResponseStage } from '../extproc/exchange.ts';
import { POOL_KEY, POOL_NAMESPACE } from '../extproc/pool-hint.ts';
import { AttributeKey } from '../framework/attribute.ts';
import { RejectionError } from '../framework/errors.ts';
import type { PoolHint } from '../framework/pool-hint.ts';
import type { InferenceRequest } from '../framework/request.ts';
import type { InferenceResponse, MetadataEntry } from '../framework/response.ts';
import type { RequestObserver } from '../request/director.ts';
import { normalizePath } from '../request/path.ts';
import type { Clock } from '../util/clock.ts';

/** A pool that requests may be for. */
export interface RoutedPool {
  readonly name: string;
  readonly namespace: string;
  /** For clients and people. */
  readonly label: string;
  /** Undefined when the pool cannot work: its requests are refused. */
  readonly stages: { readonly request: RequestStage; readonly response: ResponseStage } | undefined;
}

/** What routing needs to know besides the pools. */
export interface PoolRouterOptions {
  /** Where a name without namespace is looked for when several pools have it. */
  readonly defaultNamespace: string;
  /** Header that may name the pool, '' for none; for the text of refusals. */
  readonly header: string;
  /** Shape of errors of the API at a path. */
  errorShapeOf(path: string): InferenceRequest['errorShape'];
  readonly clock: Clock;
  readonly observer: Pick<RequestObserver, 'rejected' | 'processed'>;
}

const NO_METADATA: readonly MetadataEntry[] = [];
const POOL = new AttributeKey<RoutedPool>('RoutedPool', 'pool-router');

/** Cluster of an InferencePool in Istio, whose service is `<pool>-ip-<hash>`, the pool's name cut to fit a DNS label. */
const ISTIO_CLUSTER =
  /^outbound\|\d+\|[^|]*\|(?<name>[a-z0-9.-]+)-ip-[0-9a-f]+\.(?<namespace>[a-z0-9-]+)\.svc(?:\.|$)/;
const ISTIO_NAME_LENGTH = 63 - '-ip-'.length - 8;

/** What of a request's hints a refusal shows. */
const SHOWN_HINTS = 4;
const SHOWN_LENGTH = 120;

/**
 * Hands each request to the stages of its pool. The gateway's metadata decides, else the first of its attributes that is
 * a pool, else the header, where one was named; nothing else, so that no client chooses a pool. A request that is for no
 * pool, or for one that cannot work, is refused and touches no pool.
 */
export class PoolRouter implements RequestStage, ResponseStage {
  readonly #options: PoolRouterOptions;
  /** By `namespace/name`, and by name where that says which. */
  readonly #byName = new Map<string, RoutedPool>();
  /** By namespace and the name as Istio cuts it; undefined where that could be two. */
  readonly #byService = new Map<string, RoutedPool | undefined>();

  constructor(pools: readonly RoutedPool[], options: PoolRouterOptions) {
    this.#options = options;
    for (const pool of pools) {
      const { name, namespace } = pool;
      const namesakes = pools.filter((other) => other.name === name);
      if (namesakes.length === 1 || namespace === options.defaultNamespace) this.#byName.set(name, pool);
      const service = `${namespace}/${name.slice(0, ISTIO_NAME_LENGTH)}`;
      this.#byService.set(service, this.#byService.has(service) ? undefined : pool);
    }
    // a name has no slash, so none of these is another pool's name
    for (const pool of pools) this.#byName.set(`${pool.namespace}/${pool.name}`, pool);
  }

  accept(request: InferenceRequest): void {
    const pool = this.#poolOf(request.poolHints);
    if (pool?.stages !== undefined) {
      request.attributes.set(POOL, pool);
      pool.stages.request.accept(request);
      return;
    }
    request.method = request.headers.get(':method') ?? '';
    request.path = normalizePath(request.headers);
    request.requestId = request.headers.get('x-request-id') ?? '';
    request.errorShape = this.#options.errorShapeOf(request.path);
  }

  decide(request: InferenceRequest, body: Buffer, context: ExchangeContext): Decision | Promise<Decision> {
    const stages = request.attributes.get(POOL)?.stages;
    if (stages !== undefined) return stages.request.decide(request, body, context);
    const { observer, clock } = this.#options;
    const error = this.#refusal(request.poolHints);
    observer.rejected(request, error.label);
    observer.processed(clock.nowMs() - request.receivedAtMs);
    throw error;
  }

  headers(request: InferenceRequest, response: InferenceResponse): void {
    request.attributes.get(POOL)?.stages?.response.headers(request, response);
  }

  chunk(request: InferenceRequest, response: InferenceResponse, chunk: Buffer, isLast: boolean): Buffer {
    const stages = request.attributes.get(POOL)?.stages;
    return stages === undefined ? chunk : stages.response.chunk(request, response, chunk, isLast);
  }

  finalMetadata(request: InferenceRequest, response: InferenceResponse): readonly MetadataEntry[] {
    return request.attributes.get(POOL)?.stages?.response.finalMetadata(request, response) ?? NO_METADATA;
  }

  end(request: InferenceRequest, response: InferenceResponse): void {
    request.attributes.get(POOL)?.stages?.response.end(request, response);
  }

  /** Undefined when nothing names a pool; then it is not guessed. */
  #poolOf(hints: readonly PoolHint[]): RoutedPool | undefined {
    for (const { from, value } of hints) {
      const pool = this.#byName.get(value) ?? (from === 'attribute' ? this.#ofCluster(value) : undefined);
      // attributes say much that is no pool; metadata and header are there for nothing else
      if (pool !== undefined || from !== 'attribute') return pool;
    }
    return undefined;
  }

  #ofCluster(cluster: string): RoutedPool | undefined {
    const { name, namespace } = ISTIO_CLUSTER.exec(cluster)?.groups ?? {};
    return name === undefined ? undefined : this.#byService.get(`${namespace}/${name}`);
  }

  #refusal(hints: readonly PoolHint[]): RejectionError {
    const pool = this.#poolOf(hints);
    if (pool !== undefined) {
      return new RejectionError('unavailable', `pool ${pool.label} cannot serve: its start failed`);
    }
    const { header } = this.#options;
    const ways = [`the gateway's metadata ${POOL_NAMESPACE}/${POOL_KEY}`, "one of the gateway's attributes"];
    if (header !== '') ways.push(`header ${header}`);
    return new RejectionError(
      'not-found',
      `no pool for this request: got ${describe(hints)}, want a pool named by ${ways.join(', or by ')}`,
    );
  }
}

function describe(hints: readonly PoolHint[]): string {
  if (hints.length === 0) return 'nothing that names one';
  const shown = hints.slice(0, SHOWN_HINTS).map(({ from, name, value }) => {
    return `${from} ${name.slice(0, SHOWN_LENGTH)} "${value.slice(0, SHOWN_LENGTH)}"`;
  });
  return shown.join(', ');
}
