import { formatLabelSelector, type LabelSelector, matchesLabels } from '../framework/label-selector.ts';
import type { WatchServices } from './own-watches.ts';
import { isSamePod, POD_RESOURCE, type Pod, projectPod } from './pods.ts';
import { Reflector } from './reflector.ts';
import type { SelectedPods } from './watches.ts';

/** A label that each pod of a selection has, as `key=value`; '' when the selector asks for none. */
type Anchor = string;

/** One pool's pods. */
interface Selection {
  readonly selector: LabelSelector;
  readonly text: string;
  readonly anchor: Anchor;
  readonly changed: () => void;
  /** By `namespace/name`. */
  readonly members: Map<string, Pod>;
  pods: readonly Pod[];
}

/**
 * One watch of the pods of a namespace for all pools in it. A pod that changes concerns few pools, so each selection is
 * filed under one label that its pods have, the one with the fewest selections, and only those filed under a label of
 * the pod are compared.
 */
export class SharedPods {
  readonly #services: WatchServices;
  readonly #selections = new Map<Anchor, Set<Selection>>();
  readonly #stop = new AbortController();
  #reflector: Reflector<Pod> | undefined = undefined;
  #hasListed = false;
  #users = 0;
  #known: ReadonlyMap<string, Pod> = new Map();

  constructor(services: WatchServices) {
    this.#services = services;
  }

  /** Pods of a selector that comes later; `changed` is called when they change, not by `follow` itself. */
  selected(changed: () => void): SelectedPods {
    let current: Selection | undefined;
    let isUser = false;
    const hasListed = () => this.#hasListed;
    const failingSinceMs = () => this.#reflector?.failingSinceMs ?? Number.NaN;
    const stop = () => {
      if (current !== undefined) this.#remove(current);
      current = undefined;
    };
    return {
      get pods() {
        return current !== undefined && hasListed() ? current.pods : undefined;
      },
      get failingSinceMs() {
        return current === undefined ? Number.NaN : failingSinceMs();
      },
      follow: (selector, signal) => {
        if (signal.aborted || formatLabelSelector(selector) === current?.text) return;
        const next = this.#add(selector, changed);
        stop();
        current = next;
        if (isUser) return;
        isUser = true;
        this.#enter();
        const leave = () => {
          stop();
          this.#leave();
        };
        signal.addEventListener('abort', leave, { once: true });
      },
      stop,
    };
  }

  #leave(): void {
    this.#users -= 1;
    if (this.#users === 0) this.#stop.abort();
  }

  /** The watch begins with the first user, and ends for good with the last. */
  #enter(): void {
    this.#users += 1;
    if (this.#reflector !== undefined) return;
    const { api, namespace, clock, rng, log } = this.#services;
    this.#reflector = new Reflector<Pod>({
      api,
      resource: POD_RESOURCE,
      selection: { namespace },
      project: projectPod,
      changed: (pods) => this.#changed(pods),
      clock,
      rng,
      log,
    });
    void this.#reflector.start(this.#stop.signal);
  }

  #add(selector: LabelSelector, changed: () => void): Selection {
    const anchor = this.#anchorOf(selector);
    const members = new Map<string, Pod>();
    for (const [key, pod] of this.#known) if (matchesLabels(selector, pod.labels)) members.set(key, pod);
    const text = formatLabelSelector(selector);
    const selection = { selector, text, anchor, changed, members, pods: [...members.values()] };
    const filed = this.#selections.get(anchor);
    if (filed === undefined) this.#selections.set(anchor, new Set([selection]));
    else filed.add(selection);
    return selection;
  }

  #remove(selection: Selection): void {
    const filed = this.#selections.get(selection.anchor);
    if (filed?.delete(selection) === true && filed.size === 0) this.#selections.delete(selection.anchor);
  }

  #anchorOf(selector: LabelSelector): Anchor {
    let best: Anchor = '';
    let fewest = Number.POSITIVE_INFINITY;
    for (const { key, operator, values } of selector) {
      if (operator !== 'in' || values.length !== 1) continue;
      const anchor = `${key}=${values[0]}`;
      const filed = this.#selections.get(anchor)?.size ?? 0;
      if (filed >= fewest) continue;
      best = anchor;
      fewest = filed;
    }
    return best;
  }

  #changed(pods: ReadonlyMap<string, Pod>): void {
    const before = this.#known;
    const isFirst = !this.#hasListed;
    this.#hasListed = true;
    const touched = new Set<Selection>();
    const known = new Map<string, Pod>();
    for (const [key, pod] of pods) {
      const present = before.get(key);
      // after a new list every pod is another object
      const isSame = present !== undefined && isSamePod(present, pod);
      known.set(key, isSame ? present : pod);
      if (isSame) continue;
      if (present !== undefined) this.#withdraw(key, present, touched);
      this.#file(key, pod, touched);
    }
    for (const [key, pod] of before) if (!pods.has(key)) this.#withdraw(key, pod, touched);
    this.#known = known;
    for (const selection of touched) selection.pods = [...selection.members.values()];
    // everybody learns of the first list, which may have none of their pods
    const told = isFirst ? [...this.#selections.values()].flatMap((filed) => [...filed]) : touched;
    for (const selection of told) this.#tell(selection);
  }

  #tell(selection: Selection): void {
    try {
      selection.changed();
    } catch (error) {
      this.#services.log.error({ err: error }, 'a pool cannot take over pods');
    }
  }

  #file(key: string, pod: Pod, touched: Set<Selection>): void {
    this.#eachNear(pod, (selection) => {
      if (!matchesLabels(selection.selector, pod.labels)) return;
      selection.members.set(key, pod);
      touched.add(selection);
    });
  }

  #withdraw(key: string, pod: Pod, touched: Set<Selection>): void {
    this.#eachNear(pod, (selection) => {
      if (selection.members.delete(key)) touched.add(selection);
    });
  }

  /** Every selection that the pod may be in. */
  #eachNear(pod: Pod, visit: (selection: Selection) => void): void {
    for (const [key, value] of pod.labels) this.#selections.get(`${key}=${value}`)?.forEach(visit);
    this.#selections.get('')?.forEach(visit);
  }
}
