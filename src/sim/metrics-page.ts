import type { Engine } from './engine.ts';
import type { Histogram } from './histogram.ts';
import type { SimOptions } from './options.ts';

/** Adapter combinations kept on the page; vLLM keeps all of them, which only differs in old values. */
const MAX_LORA_SERIES = 32;

/** Writes an engine's metrics as vLLM's `/metrics` does: same families, labels, order and number format. */
export class MetricsPage {
  readonly #engine: Engine;
  readonly #options: SimOptions;
  readonly #wallMs: () => number;
  readonly #startedSeconds: number;
  /** Labels of `lora_requests_info` to the time they were last true, oldest first. */
  readonly #loraSeries = new Map<string, number>();
  #hasLora = false;

  constructor(engine: Engine, options: SimOptions, wallMs: () => number) {
    this.#engine = engine;
    this.#options = options;
    this.#wallMs = wallMs;
    this.#startedSeconds = wallMs() / 1000;
  }

  /** From now on the adapters in use are shown, as vLLM does from the first request for one. */
  noteLoraUse(): void {
    this.#hasLora = true;
  }

  render(): string {
    const { stats } = this.#engine;
    const model = `model_name="${escapeLabel(this.#options.model)}"`;
    const lines: string[] = [];
    const head = (name: string, type: string, help: string) =>
      lines.push(`# HELP vllm:${name} ${help}`, `# TYPE vllm:${name} ${type}`);
    /** `extra`: a label with its comma, before or after the model's as the alphabet wants it. */
    const sample = (name: string, extra: string, value: number) => {
      const labels = extra.endsWith(',') ? `${extra}${model}` : `${model}${extra}`;
      lines.push(`vllm:${name}{engine="0",${labels}} ${formatValue(value)}`);
    };
    const gauge = (name: string, help: string, value: number) => {
      head(name, 'gauge', help);
      sample(name, '', value);
    };
    const counter = (name: string, help: string, values: readonly (readonly [string, number])[]) => {
      head(`${name}_total`, 'counter', help);
      for (const [extra, value] of values) sample(`${name}_total`, extra, value);
      head(`${name}_created`, 'gauge', help);
      for (const [extra] of values) sample(`${name}_created`, extra, this.#startedSeconds);
    };
    const histogram = (name: string, help: string, values: Histogram) => {
      head(name, 'histogram', help);
      const cumulative = values.cumulative();
      cumulative.forEach((count, i) => {
        const bound = values.bounds[i];
        const le = bound === undefined ? '+Inf' : formatValue(bound);
        sample(`${name}_bucket`, `le="${le}",`, count);
      });
      sample(`${name}_count`, '', values.count);
      sample(`${name}_sum`, '', values.sum);
      head(`${name}_created`, 'gauge', help);
      sample(`${name}_created`, '', this.#startedSeconds);
    };

    const { running, waiting, deferred } = this.#engine;
    gauge('num_requests_running', 'Number of requests in model execution batches.', running);
    gauge('num_requests_waiting', 'Number of requests waiting to be processed.', waiting);
    head('num_requests_waiting_by_reason', 'gauge', 'Number of waiting requests by reason.');
    sample('num_requests_waiting_by_reason', ',reason="capacity"', waiting - deferred);
    sample('num_requests_waiting_by_reason', ',reason="deferred"', deferred);
    gauge('kv_cache_usage_perc', 'KV-cache usage. 1 means 100 percent usage.', this.#engine.pool.usage);
    counter('prefix_cache_queries', 'Prefix cache queries, in terms of number of queried tokens.', [
      ['', stats.prefixCacheQueries],
    ]);
    counter('prefix_cache_hits', 'Prefix cache hits, in terms of number of cached tokens.', [
      ['', stats.prefixCacheHits],
    ]);
    counter(
      'external_prefix_cache_queries',
      'External prefix cache queries from KV connector cross-instance cache sharing, in terms of number of queried tokens.',
      [['', stats.externalCacheQueries]],
    );
    counter(
      'external_prefix_cache_hits',
      'External prefix cache hits from KV connector cross-instance cache sharing, in terms of number of cached tokens.',
      [['', stats.externalCacheHits]],
    );
    counter('mm_cache_queries', 'Multi-modal cache queries, in terms of number of queried items.', [
      ['', stats.assetQueries],
    ]);
    counter('mm_cache_hits', 'Multi-modal cache hits, in terms of number of cached items.', [
      ['', stats.assetHits],
    ]);
    counter('num_preemptions', 'Cumulative number of preemption from the engine.', [['', stats.preemptions]]);
    counter('prompt_tokens', 'Number of prefill tokens processed.', [['', stats.promptTokens]]);
    const computed = stats.promptTokens - stats.cachedPromptTokens - stats.remotePromptTokens;
    counter('prompt_tokens_by_source', 'Number of prompt tokens by source.', [
      [',source="local_compute"', computed],
      [',source="local_cache_hit"', stats.cachedPromptTokens],
      [',source="external_kv_transfer"', stats.remotePromptTokens],
    ]);
    counter('prompt_tokens_cached', 'Number of cached prompt tokens (local + external).', [
      ['', stats.cachedPromptTokens + stats.remotePromptTokens],
    ]);
    counter('generation_tokens', 'Number of generation tokens processed.', [['', stats.generationTokens]]);
    counter('request_success', 'Count of successfully processed requests.', [
      ['finished_reason="stop",', stats.finishedStop],
      ['finished_reason="length",', stats.finishedLength],
      ['finished_reason="abort",', stats.finishedAbort],
    ]);
    histogram('request_prompt_tokens', 'Number of prefill tokens processed.', stats.requestPromptTokens);
    histogram(
      'request_generation_tokens',
      'Number of generation tokens processed.',
      stats.requestGenerationTokens,
    );
    histogram(
      'time_to_first_token_seconds',
      'Histogram of time to first token in seconds.',
      stats.timeToFirstToken,
    );
    histogram(
      'inter_token_latency_seconds',
      'Histogram of inter-token latency in seconds.',
      stats.interTokenLatency,
    );
    histogram('e2e_request_latency_seconds', 'Histogram of e2e request latency in seconds.', stats.endToEnd);
    histogram(
      'request_queue_time_seconds',
      'Histogram of time spent in WAITING phase for request.',
      stats.queueTime,
    );
    head('lora_requests_info', 'gauge', 'Running stats on lora requests.');
    this.#renderLora(lines);
    head('cache_config_info', 'gauge', 'Information of the LLMEngine CacheConfig');
    lines.push(this.#cacheConfig());
    return `${lines.join('\n')}\n`;
  }

  #renderLora(lines: string[]): void {
    if (!this.#hasLora) return;
    const { running, waiting } = this.#engine.adapters();
    const now =
      `max_lora="${this.#options.maxLoras}",running_lora_adapters="${escapeLabel(running.join(','))}",` +
      `waiting_lora_adapters="${escapeLabel(waiting.join(','))}"`;
    this.#loraSeries.delete(now);
    this.#loraSeries.set(now, this.#wallMs() / 1000);
    const oldest = this.#loraSeries.size > MAX_LORA_SERIES ? this.#loraSeries.keys().next().value : undefined;
    if (oldest !== undefined) this.#loraSeries.delete(oldest);
    for (const [labels, seconds] of this.#loraSeries) {
      lines.push(`vllm:lora_requests_info{${labels}} ${formatValue(seconds)}`);
    }
  }

  #cacheConfig(): string {
    const { blockSize, numGpuBlocks, prefixCaching } = this.#options;
    return (
      `vllm:cache_config_info{block_size="${blockSize}",cache_dtype="auto",` +
      `enable_prefix_caching="${prefixCaching ? 'True' : 'False'}",engine="0",gpu_memory_utilization="0.92",` +
      `kv_cache_size_tokens="${blockSize * numGpuBlocks}",num_cpu_blocks="None",num_gpu_blocks="${numGpuBlocks}",` +
      `num_gpu_blocks_override="None",sliding_window="None"} 1.0`
    );
  }
}

/** A float as the Prometheus client for Python writes it: `4.0`, `1.5e+06`. */
export function formatValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  const text = Number.isInteger(value) && Math.abs(value) < 1e16 ? `${value}.0` : String(value);
  const dot = text.indexOf('.');
  if (value <= 0 || dot <= 6) return text;
  const mantissa = `${text[0]}.${text.slice(1, dot)}${text.slice(dot + 1)}`.replace(/[0.]+$/, '');
  return `${mantissa}e+${String(dot - 1).padStart(2, '0')}`;
}

function escapeLabel(value: string): string {
  return value.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`));
}
