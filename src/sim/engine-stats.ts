import { Histogram, oneTwoFive } from './histogram.ts';

const LATENCY_SECONDS = [
  0.3, 0.5, 0.8, 1, 1.5, 2, 2.5, 5, 10, 15, 20, 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680,
];

/** What an engine has done since it started. Times are seconds; the bucket bounds are vLLM's. */
export class EngineStats {
  promptTokens = 0;
  generationTokens = 0;
  /** Prompt tokens that were looked up in the prefix cache, and those of them that were found. */
  prefixCacheQueries = 0;
  prefixCacheHits = 0;
  /** Prompt tokens not cached here that were asked of another server, and those that came. */
  externalCacheQueries = 0;
  externalCacheHits = 0;
  /** Of `promptTokens`: those cached here, and those that came from another server. */
  cachedPromptTokens = 0;
  remotePromptTokens = 0;
  /** Images and sounds of prompts computed here, and those of them that were in the encoder cache. */
  assetQueries = 0;
  assetHits = 0;
  /** Images and sounds this engine has encoded itself. */
  encodedAssets = 0;
  preemptions = 0;
  finishedStop = 0;
  finishedLength = 0;
  finishedAbort = 0;
  readonly timeToFirstToken = new Histogram([
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80, 160,
    640, 2560,
  ]);
  readonly interTokenLatency = new Histogram([
    0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80,
  ]);
  readonly endToEnd = new Histogram(LATENCY_SECONDS);
  readonly queueTime = new Histogram(LATENCY_SECONDS);
  readonly requestPromptTokens: Histogram;
  readonly requestGenerationTokens: Histogram;

  constructor(maxModelLen: number) {
    this.requestPromptTokens = new Histogram(oneTwoFive(maxModelLen));
    this.requestGenerationTokens = new Histogram(oneTwoFive(maxModelLen));
  }
}
