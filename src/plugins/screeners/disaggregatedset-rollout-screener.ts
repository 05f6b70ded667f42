import type { Endpoint } from '../../framework/endpoint.ts';
import type {
  EndpointObserver,
  ObjectObserver,
  ObservedObject,
  ReadinessCheck,
  ResponseHeaderHook,
  Screener,
  StateDumper,
} from '../../framework/hooks.ts';
import type { CounterCell } from '../../framework/instruments.ts';
import { type LabelSelector, matchesLabels, parseLabelSelector } from '../../framework/label-selector.ts';
import { definePlugin, type PluginContext } from '../../framework/plugin.ts';
import { isReadyPod } from '../../framework/pod-object.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse } from '../../framework/response.ts';
import { type Params, params } from './disaggregatedset-rollout-screener/parameters.ts';
import { RevisionCounts, type Weighing } from './disaggregatedset-rollout-screener/revision-counts.ts';

const POD = { group: '', version: 'v1', kind: 'Pod' } as const;
const NOBODY: readonly Endpoint[] = [];
const DUMPED_REVISIONS = 100;

type Labels = ReadonlyMap<string, string>;

/** A header and the label that it is about. */
interface HeaderSelector {
  /** Lower case. */
  readonly header: string;
  readonly label: string;
  readonly isStrict: boolean;
  readonly noMatches: CounterCell;
}

/** Which revisions may be used. */
interface Gating extends Weighing {
  readonly revisionLabel: string;
  readonly roleLabel: string;
}

type Role = Screener & ResponseHeaderHook & EndpointObserver & ObjectObserver & ReadinessCheck & StateDumper;

/**
 * Keeps a request on one revision of a set of prefill and decode servers, and off revisions that lack a role.
 *
 * share = weight / sum of weights over revisions that have a ready pod of every required role; other revisions have 0.
 *
 * Pods are counted as Kubernetes has them, since those of some roles may be in no pool. Where there is no Kubernetes, and
 * until it has told what pods there are, the endpoints of the pool stand for them.
 */
class DisaggregatedSetRolloutScreener implements Role {
  readonly observedKind: typeof POD | undefined;
  readonly #context: PluginContext;
  readonly #scope: LabelSelector;
  readonly #selectors: readonly HeaderSelector[];
  /** Undefined when the mode is `disabled`. */
  readonly #gating: Gating | undefined;
  readonly #pods = new RevisionCounts();
  readonly #endpointPods = new RevisionCounts();
  /** Endpoints (ranks) of each pod. */
  readonly #ranks = new Map<string, number>();
  #hasSettled = false;
  #countsPods = false;
  /** By revision, sorted; as of now. */
  #shares: ReadonlyMap<string, number> = new Map();
  /** Takes the gauge of a revision away. */
  readonly #gauges = new Map<string, () => void>();

  constructor(config: Params, context: PluginContext) {
    const { scope, headerSelectors, revisionGating } = config;
    const { mode, requireRoles, revisionLabelKey, roleLabelKey } = revisionGating;
    this.#context = context;
    this.#scope = parseLabelSelector(scope.labelSelector);
    this.#selectors = headerSelectors.map(({ name, headerName, labelKey, mode: how }) => ({
      header: headerName.toLowerCase(),
      label: labelKey,
      isStrict: how === 'strict',
      noMatches: context.instruments.counter('disaggregatedset_strict_header_no_match_total', {
        plugin_type: context.type,
        plugin_name: context.name,
        selector: name,
      }),
    }));
    this.#gating =
      mode === 'disabled'
        ? undefined
        : {
            mode,
            roles: requireRoles?.values ?? [],
            revisionLabel: revisionLabelKey,
            roleLabel: roleLabelKey,
          };
    this.observedKind = this.#gating === undefined ? undefined : POD;
  }

  screen(request: InferenceRequest, candidates: readonly Endpoint[]): readonly Endpoint[] {
    const gating = this.#gating;
    let kept = candidates;
    if (gating !== undefined) {
      kept = this.#isPinned(request)
        ? keep(candidates, (one) => this.#shareOf(one, gating) > 0)
        : this.#drawn(candidates, gating);
    }
    for (const { header, label, isStrict, noMatches } of this.#selectors) {
      if (!isStrict || kept.length === 0) continue;
      const wanted = request.headers.get(header) ?? '';
      if (wanted === '') continue;
      kept = keep(kept, (one) => one.labels.get(label) === wanted);
      if (kept.length === 0) noMatches.value += 1;
    }
    return kept;
  }

  responseHeaders(request: InferenceRequest, response: InferenceResponse): void {
    for (const { header, label } of this.#selectors) {
      const value = request.endpoint?.labels.get(label) ?? '';
      if (value !== '') response.headers?.set(header, value);
    }
  }

  isReady(): boolean {
    return this.#gating === undefined || this.#hasSettled;
  }

  endpointAdded(endpoint: Endpoint): void {
    const pod = podOf(endpoint);
    this.#ranks.set(pod, (this.#ranks.get(pod) ?? 0) + 1);
    this.#place(this.#endpointPods, pod, endpoint.labels);
  }

  endpointChanged(endpoint: Endpoint): void {
    this.#place(this.#endpointPods, podOf(endpoint), endpoint.labels);
  }

  endpointRemoved(endpoint: Endpoint): void {
    const pod = podOf(endpoint);
    const left = (this.#ranks.get(pod) ?? 1) - 1;
    if (left > 0) {
      this.#ranks.set(pod, left);
      return;
    }
    this.#ranks.delete(pod);
    this.#endpointPods.remove(pod);
    this.#weigh();
  }

  objectChanged({ namespace, name, labels, object }: ObservedObject): void {
    const pod = `${namespace}/${name}`;
    if (isReadyPod(object)) {
      this.#place(this.#pods, pod, labels);
      return;
    }
    this.#pods.remove(pod);
    this.#weigh();
  }

  objectRemoved(namespace: string, name: string): void {
    this.#pods.remove(`${namespace}/${name}`);
    this.#weigh();
  }

  objectsSettled(areFollowed: boolean): void {
    this.#hasSettled = true;
    this.#countsPods = areFollowed;
    this.#weigh();
    const by = areFollowed ? 'pods of Kubernetes' : 'endpoints of the pool';
    this.#context.log.info({ by, shares: Object.fromEntries(this.#shares) }, 'revisions are weighed');
  }

  dumpState(): unknown {
    return {
      countedBy: this.#countsPods ? 'pods' : 'endpoints',
      hasSettled: this.#hasSettled,
      shares: Object.fromEntries([...this.#shares].slice(0, DUMPED_REVISIONS)),
      revisions: this.#shares.size,
    };
  }

  /** Those of one revision, drawn by share among the ones that the candidates have. */
  #drawn(candidates: readonly Endpoint[], gating: Gating): readonly Endpoint[] {
    const present = new Set<string>();
    for (const one of candidates) {
      if (this.#shareOf(one, gating) > 0) present.add(one.labels.get(gating.revisionLabel) ?? '');
    }
    let total = 0;
    for (const [revision, share] of this.#shares) if (present.has(revision)) total += share;
    const drawn = this.#context.rng.next() * total;
    let sum = 0;
    let chosen: string | undefined;
    for (const [revision, share] of this.#shares) {
      if (!present.has(revision)) continue;
      chosen = revision; // the last one also where sums are rounded
      sum += share;
      if (drawn < sum) break;
    }
    if (chosen === undefined) return NOBODY;
    return keep(candidates, (one) => one.labels.get(gating.revisionLabel) === chosen);
  }

  #shareOf(endpoint: Endpoint, { revisionLabel }: Gating): number {
    return this.#shares.get(endpoint.labels.get(revisionLabel) ?? '') ?? 0;
  }

  #isPinned(request: InferenceRequest): boolean {
    for (const { header, isStrict } of this.#selectors) {
      if (isStrict && (request.headers.get(header) ?? '') !== '') return true;
    }
    return false;
  }

  #place(counts: RevisionCounts, pod: string, labels: Labels): void {
    const gating = this.#gating;
    if (gating === undefined) return;
    const isMember = matchesLabels(this.#scope, labels);
    counts.put(
      pod,
      isMember ? (labels.get(gating.revisionLabel) ?? '') : '',
      labels.get(gating.roleLabel) ?? '',
    );
    this.#weigh();
  }

  #weigh(): void {
    const gating = this.#gating;
    if (gating === undefined) return;
    this.#shares = (this.#countsPods ? this.#pods : this.#endpointPods).shares(gating);
    for (const [revision, remove] of this.#gauges) {
      if (this.#shares.has(revision)) continue;
      remove();
      this.#gauges.delete(revision);
    }
    const { instruments, name, type } = this.#context;
    for (const revision of this.#shares.keys()) {
      if (this.#gauges.has(revision)) continue;
      const labels = { plugin_type: type, plugin_name: name, mode: gating.mode, revision };
      const remove = instruments.gauge(
        'disaggregatedset_revision_gating_share',
        labels,
        () => this.#shares.get(revision) ?? Number.NaN,
      );
      this.#gauges.set(revision, remove);
    }
  }
}

/** The candidates that pass, the input itself when all do. */
function keep(candidates: readonly Endpoint[], passes: (one: Endpoint) => boolean): readonly Endpoint[] {
  const kept = candidates.filter(passes);
  return kept.length === candidates.length ? candidates : kept;
}

function podOf({ namespace, name }: Endpoint): string {
  return `${namespace}/${name}`;
}

/** `disaggregatedset-rollout-screener` (llm-d-router: pkg/epp/framework/plugins/requestcontrol/screener). */
export const disaggregatedsetRolloutScreener = definePlugin<Params, Role>({
  type: 'disaggregatedset-rollout-screener',
  kinds: [
    'screener',
    'response-header',
    'endpoint-observer',
    'object-observer',
    'readiness-check',
    'state-dumper',
  ],
  stability: 'alpha',
  summary: 'Keeps each request on one revision of a disaggregated set that has every role ready.',
  params,
  create: (config, context) => new DisaggregatedSetRolloutScreener(config, context),
});
