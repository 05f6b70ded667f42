import type { AttributeKey } from '../../../framework/attribute.ts';
import { parseMetricSpec } from '../../../util/metric-spec.ts';
import { PageScanner } from '../../../util/prometheus-text.ts';
import { customMetricKey } from '../../attributes/metrics.ts';
import type { EngineConfig } from './engines.ts';
import { CachePick, type Combination, LoraPick, ScalarPick, type SeriesPick } from './series.ts';

/** A pick and the labels a sample must have to be offered to it. */
interface Target {
  readonly labels: readonly { readonly name: Buffer; readonly value: Buffer }[];
  readonly pick: SeriesPick;
}

/**
 * One engine's metrics, prepared for reading pages. `read` fills the picks; their values count until the next page.
 * A pick whose specification is switched off never finds anything.
 */
export class EnginePlan {
  readonly name: string;
  readonly queued: ScalarPick;
  readonly running: ScalarPick;
  readonly kvUsage: ScalarPick;
  readonly olderKvUsage: ScalarPick;
  readonly lora: LoraPick;
  readonly cache: CachePick;
  readonly blockSize: ScalarPick;
  readonly blocks: ScalarPick;
  readonly custom: readonly { readonly key: AttributeKey<number>; readonly pick: ScalarPick }[];
  readonly hasQueued: boolean;
  readonly hasRunning: boolean;
  readonly hasKvUsage: boolean;
  readonly #picks: SeriesPick[] = [];
  /** By name index of the scanner. */
  readonly #targets: Target[][] = [];
  readonly #names: string[] = [];
  readonly #scanner: PageScanner;

  /** `combinesEngines`: false to look at one series of each metric only. Throws `MetricSpecError`. */
  constructor(config: EngineConfig, combinesEngines: boolean) {
    const combined = (combination: Combination) => (combinesEngines ? combination : 'first');
    this.name = config.name;
    this.hasQueued = config.queuedRequestsSpec.trim() !== '';
    this.hasRunning = config.runningRequestsSpec.trim() !== '';
    this.hasKvUsage = config.kvUsageSpec.trim() !== '';
    this.queued = this.#add(config.queuedRequestsSpec, new ScalarPick(combined('sum')));
    this.running = this.#add(config.runningRequestsSpec, new ScalarPick(combined('sum')));
    this.kvUsage = this.#add(config.kvUsageSpec, new ScalarPick(combined('mean')));
    this.olderKvUsage = this.#add(config.olderKvUsageSpec ?? '', new ScalarPick(combined('mean')));
    this.lora = this.#add(config.loraSpec, new LoraPick());
    this.cache = this.#add(
      config.cacheInfoSpec,
      new CachePick(config.cacheBlockSizeLabelName, config.cacheNumBlocksLabelName, combined('sum')),
    );
    this.blockSize = this.#add(config.cacheBlockSizeSpec, new ScalarPick('first'));
    this.blocks = this.#add(config.cacheNumBlocksSpec, new ScalarPick(combined('sum')));
    this.custom = config.customMetrics.map(({ attributeKey, metricSpec }) => ({
      key: customMetricKey(attributeKey),
      pick: this.#add(metricSpec, new ScalarPick('first')),
    }));
    this.#scanner = new PageScanner(this.#names);
  }

  /** Reads the whole page. Throws `PageError` when it is malformed. */
  read(page: Uint8Array): void {
    for (const pick of this.#picks) pick.reset();
    const scanner = this.#scanner;
    scanner.open(page);
    for (let name = scanner.next(); name >= 0; name = scanner.next()) {
      for (const target of this.#targets[name] ?? []) if (this.#matches(target)) target.pick.offer(scanner);
    }
  }

  #matches(target: Target): boolean {
    for (const label of target.labels) if (!this.#scanner.hasLabel(label.name, label.value)) return false;
    return true;
  }

  #add<Pick extends SeriesPick>(specText: string, pick: Pick): Pick {
    const spec = parseMetricSpec(specText);
    if (spec === undefined) return pick;
    this.#picks.push(pick);
    let name = this.#names.indexOf(spec.name);
    if (name < 0) {
      name = this.#names.push(spec.name) - 1;
      this.#targets.push([]);
    }
    const labels = spec.labels.map((label) => ({
      name: Buffer.from(label.name),
      value: Buffer.from(label.value),
    }));
    this.#targets[name]?.push({ labels, pick });
    return pick;
  }
}
