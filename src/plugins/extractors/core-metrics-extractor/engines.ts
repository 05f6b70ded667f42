/** Labels of `cacheInfoSpec` where a configuration names none. */
export const BLOCK_SIZE_LABEL = 'block_size';
export const BLOCKS_LABEL = 'num_gpu_blocks';

/** Which metrics of an engine mean what. Specifications are strings as in the configuration; '' switches one off. */
export interface EngineConfig {
  readonly name: string;
  readonly queuedRequestsSpec: string;
  readonly runningRequestsSpec: string;
  readonly kvUsageSpec: string;
  /** Older name of the same metric, read while the page has no `kvUsageSpec`. */
  readonly olderKvUsageSpec?: string;
  readonly loraSpec: string;
  readonly cacheInfoSpec: string;
  /** '' for `BLOCK_SIZE_LABEL`. */
  readonly cacheBlockSizeLabelName: string;
  /** '' for `BLOCKS_LABEL`. */
  readonly cacheNumBlocksLabelName: string;
  readonly cacheBlockSizeSpec: string;
  readonly cacheNumBlocksSpec: string;
  readonly customMetrics: readonly { readonly attributeKey: string; readonly metricSpec: string }[];
}

const OFF: EngineConfig = {
  name: '',
  queuedRequestsSpec: '',
  runningRequestsSpec: '',
  kvUsageSpec: '',
  loraSpec: '',
  cacheInfoSpec: '',
  cacheBlockSizeLabelName: BLOCK_SIZE_LABEL,
  cacheNumBlocksLabelName: BLOCKS_LABEL,
  cacheBlockSizeSpec: '',
  cacheNumBlocksSpec: '',
  customMetrics: [],
};

/**
 * Engines known without configuration (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/metrics). Beyond
 * the reference: the name of vLLM up to 0.9 for KV use, and `tgi`. `triton` has no running requests: the counter the
 * reference reads there, `nv_inference_exec_count`, only grows.
 */
export const BUILT_IN_ENGINES: readonly EngineConfig[] = [
  {
    ...OFF,
    name: 'vllm',
    queuedRequestsSpec: 'vllm:num_requests_waiting',
    runningRequestsSpec: 'vllm:num_requests_running',
    kvUsageSpec: 'vllm:kv_cache_usage_perc',
    olderKvUsageSpec: 'vllm:gpu_cache_usage_perc',
    loraSpec: 'vllm:lora_requests_info',
    cacheInfoSpec: 'vllm:cache_config_info',
  },
  {
    ...OFF,
    name: 'sglang',
    queuedRequestsSpec: 'sglang:num_queue_reqs',
    runningRequestsSpec: 'sglang:num_running_reqs',
    kvUsageSpec: 'sglang:token_usage',
    cacheInfoSpec: 'sglang:cache_config_info',
    cacheBlockSizeLabelName: 'page_size',
    cacheNumBlocksLabelName: 'num_pages',
  },
  {
    ...OFF,
    name: 'trtllm-serve',
    queuedRequestsSpec: 'trtllm_num_requests_waiting',
    runningRequestsSpec: 'trtllm_num_requests_running',
    kvUsageSpec: 'trtllm_kv_cache_utilization',
    cacheBlockSizeSpec: 'trtllm_kv_cache_tokens_per_block',
    cacheNumBlocksSpec: 'trtllm_kv_cache_max_blocks',
  },
  {
    ...OFF,
    name: 'triton-tensorrt-llm',
    queuedRequestsSpec: 'nv_trt_llm_request_metrics{request_type=waiting}',
    runningRequestsSpec: 'nv_trt_llm_request_metrics{request_type=scheduled}',
    kvUsageSpec: 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=fraction}',
    cacheBlockSizeSpec: 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=tokens_per}',
    cacheNumBlocksSpec: 'nv_trt_llm_kv_cache_block_metrics{kv_cache_block_type=max}',
  },
  { ...OFF, name: 'triton', queuedRequestsSpec: 'nv_inference_pending_request_count' },
  {
    ...OFF,
    name: 'tgi',
    queuedRequestsSpec: 'tgi_queue_size',
    runningRequestsSpec: 'tgi_batch_current_size',
  },
];
