import type { AttributeKey } from '../../../framework/attribute.ts';
import { customMetricKey } from '../../attributes/metrics.ts';
import { PageReader } from '../series/page-reader.ts';
import { type Combination, ScalarPick } from '../series/scalar-pick.ts';
import { BLOCK_SIZE_LABEL, BLOCKS_LABEL, type EngineConfig } from './engines.ts';
import { CachePick, LoraPick } from './series.ts';

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
  readonly #reader = new PageReader();

  /** `combinesEngines`: false to look at one series of each metric only. Throws `MetricSpecError`. */
  constructor(config: EngineConfig, combinesEngines: boolean) {
    const combined = (combination: Combination) => (combinesEngines ? combination : 'first');
    const reader = this.#reader;
    this.name = config.name;
    this.hasQueued = config.queuedRequestsSpec.trim() !== '';
    this.hasRunning = config.runningRequestsSpec.trim() !== '';
    this.hasKvUsage = config.kvUsageSpec.trim() !== '';
    this.queued = reader.add(config.queuedRequestsSpec, new ScalarPick(combined('sum')));
    this.running = reader.add(config.runningRequestsSpec, new ScalarPick(combined('sum')));
    this.kvUsage = reader.add(config.kvUsageSpec, new ScalarPick(combined('mean')));
    this.olderKvUsage = reader.add(config.olderKvUsageSpec ?? '', new ScalarPick(combined('mean')));
    this.lora = reader.add(config.loraSpec, new LoraPick(combinesEngines ? 'union' : 'first'));
    this.cache = reader.add(
      config.cacheInfoSpec,
      new CachePick(
        config.cacheBlockSizeLabelName || BLOCK_SIZE_LABEL,
        config.cacheNumBlocksLabelName || BLOCKS_LABEL,
        combined('sum'),
      ),
    );
    this.blockSize = reader.add(config.cacheBlockSizeSpec, new ScalarPick('first'));
    this.blocks = reader.add(config.cacheNumBlocksSpec, new ScalarPick(combined('sum')));
    this.custom = config.customMetrics.map(({ attributeKey, metricSpec }) => ({
      key: customMetricKey(attributeKey),
      pick: reader.add(metricSpec, new ScalarPick('first')),
    }));
  }

  /** Reads the whole page. Throws `PageError` when it is malformed. */
  read(page: Uint8Array): void {
    this.#reader.read(page);
  }
}
