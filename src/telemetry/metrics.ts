import { BUCKETS } from './buckets.ts';

/** A label of a deprecated twin and the canonical label its value comes from. */
export interface TwinLabel {
  readonly name: string;
  readonly from: string;
}

/** The older name of a metric, as dashboards of the reference know it. Fewer labels: series are summed. */
export interface DeprecatedTwin {
  /** Full name. */
  readonly name: string;
  readonly labels: readonly TwinLabel[];
}

/** One metric of this program. */
export interface Metric {
  /** Canonical name without prefix; full name where `replacedBy` is given. See `fullName`. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  /** Ascending upper bounds without `+Inf`; empty unless `type` is `histogram`. */
  readonly buckets: readonly number[];
  /** Text of the HELP line. */
  readonly help: string;
  readonly twin: DeprecatedTwin | undefined;
  /**
   * Full name of the metric to use in place of this one, which is shown with the deprecated names only. For older metrics
   * that are no twins because their buckets differ.
   */
  readonly replacedBy: string | undefined;
}

/** What a row says besides name, type and labels. */
interface Description {
  readonly help: string;
  readonly twin?: DeprecatedTwin;
  readonly replacedBy?: string;
}

interface Described extends Description {
  readonly buckets: readonly number[];
}

/** Prefix of every canonical name. */
const METRIC_PREFIX = 'llm_d_epp_';

/** Labels whose values clients choose; the registry bounds how many values each may take. */
export const BOUNDED_LABELS: ReadonlyMap<string, 'model' | 'fairness'> = new Map([
  ['model_name', 'model'],
  ['target_model_name', 'model'],
  ['fairness_id', 'fairness'],
]);

const MODEL = ['model_name', 'target_model_name'] as const;
const FLOW = [...MODEL, 'fairness_id', 'priority'] as const;
const PLUGIN = ['plugin_name', 'plugin_type'] as const;
const AT_PLUGIN = ['extension_point', 'plugin_type', 'plugin_name'] as const;
const ENDPOINT = ['name', 'model_server_endpoint'] as const;

/**
 * Every metric of this program, sorted by group. The names, labels and buckets of those that have a counterpart in
 * the reference are its own (llm-d-router: pkg/epp/metrics/metrics.go).
 */
export const METRICS: readonly Metric[] = [
  // Requests
  counter('request_total', FLOW, {
    help: 'Requests that were parsed, admitted and scheduled.',
    twin: { name: 'inference_objective_request_total', labels: same(...MODEL, 'priority') },
  }),
  counter('request_error_total', [...FLOW, 'error_code'], {
    help: 'Requests that failed, by code; at most one per request.',
    twin: { name: 'inference_objective_request_error_total', labels: same(...MODEL, 'error_code') },
  }),
  histogram('request_duration_seconds', FLOW, {
    buckets: BUCKETS.latency,
    help: 'Time from the request headers to the end of the response, for responses that ended by themselves.',
    twin: { name: 'inference_objective_request_duration_seconds', labels: same(...MODEL) },
  }),
  histogram('request_size_bytes', FLOW, {
    buckets: BUCKETS.requestBytes,
    help: 'Size of the request body.',
    twin: { name: 'inference_objective_request_sizes', labels: same(...MODEL) },
  }),
  histogram('response_size_bytes', FLOW, {
    buckets: BUCKETS.responseBytes,
    help: 'Size of the response body.',
    twin: { name: 'inference_objective_response_sizes', labels: same(...MODEL) },
  }),
  histogram('request_input_tokens', FLOW, {
    buckets: BUCKETS.inputTokens,
    help: 'Prompt tokens the model server reported.',
    twin: { name: 'inference_objective_input_tokens', labels: same(...MODEL) },
  }),
  histogram('request_output_tokens', FLOW, {
    buckets: BUCKETS.outputTokens,
    help: 'Completion tokens the model server reported.',
    twin: { name: 'inference_objective_output_tokens', labels: same(...MODEL) },
  }),
  histogram('request_cached_tokens', FLOW, {
    buckets: BUCKETS.inputTokens,
    help: 'Prompt tokens the model server reported as taken from its cache.',
    twin: { name: 'inference_objective_prompt_cached_tokens', labels: same(...MODEL) },
  }),
  gauge('request_running', FLOW, {
    help: 'Requests sent to an endpoint that have not ended.',
    twin: { name: 'inference_objective_running_requests', labels: same('model_name') },
  }),
  histogram('request_ntpot_seconds', FLOW, {
    buckets: BUCKETS.normalizedPerToken,
    help: 'Request duration divided by completion tokens.',
    twin: { name: 'inference_objective_normalized_time_per_output_token_seconds', labels: same(...MODEL) },
  }),
  histogram('request_ttft_seconds', [...FLOW, 'streaming'], {
    buckets: BUCKETS.firstToken,
    help: 'Time from the request headers to the first bytes of a successful response body.',
  }),
  histogram('request_streaming_tpot_seconds', FLOW, {
    buckets: BUCKETS.perToken,
    help: 'Streaming: time after the first bytes divided by the completion tokens after the first.',
  }),
  histogram('request_streaming_itl_seconds', FLOW, {
    buckets: BUCKETS.interToken,
    help: 'Streaming: time between two successive chunks of the response body.',
  }),
  histogram('request_processing_duration_seconds', [], {
    buckets: BUCKETS.requestProcessing,
    help: 'Time from the request headers to the decision or refusal.',
  }),
  histogram('response_processing_duration_seconds', [], {
    buckets: BUCKETS.responseProcessing,
    help: 'Time this program spent on one response.',
  }),
  counter('upstream_responses_total', ['code_class'], {
    help: 'Responses by class of their HTTP status (2xx, 4xx, 5xx, …), those made by the proxy included.',
  }),

  // Pool
  gauge('average_kv_cache_utilization', ['name'], {
    help: 'Mean KV cache use of fresh endpoints, 0..1.',
    twin: { name: 'inference_pool_average_kv_cache_utilization', labels: same('name') },
  }),
  gauge('average_queue_size', ['name'], {
    help: 'Mean number of waiting requests of fresh endpoints.',
    twin: { name: 'inference_pool_average_queue_size', labels: same('name') },
  }),
  gauge('average_running_requests', ['name'], {
    help: 'Mean number of running requests of fresh endpoints.',
    twin: { name: 'inference_pool_average_running_requests', labels: same('name') },
  }),
  gauge('std_dev_kv_cache_utilization', ['name'], { help: 'Sample standard deviation of KV cache use.' }),
  gauge('std_dev_queue_size', ['name'], { help: 'Sample standard deviation of waiting requests.' }),
  gauge('std_dev_running_requests', ['name'], { help: 'Sample standard deviation of running requests.' }),
  gauge('ready_endpoints', ['name'], {
    help: 'Endpoints (ranks) that are reachable and whose metrics are fresh.',
    twin: { name: 'inference_pool_ready_pods', labels: same('name') },
  }),
  gauge('leader', ['name'], {
    help: '1 while this replica leads by the lease of that name, else 0; absent without leader election.',
    twin: { name: 'leader_election_master_status', labels: same('name') },
  }),
  gauge('endpoints', ['name', 'state'], {
    help: 'Endpoints by state, each in one: fresh, stale or unreachable.',
  }),
  gauge('per_endpoint_queue_size', ENDPOINT, {
    help: 'Waiting requests of an endpoint as last scraped.',
    twin: {
      name: 'inference_pool_per_pod_queue_size',
      labels: [...same('name'), { name: 'model_server_pod', from: 'model_server_endpoint' }],
    },
  }),
  gauge('endpoint_up', ENDPOINT, {
    help: '1 while an endpoint is reachable and its metrics are fresh, else 0.',
  }),
  gauge('endpoint_scrape_age_seconds', ENDPOINT, { help: 'Time since the last good scrape of an endpoint.' }),
  counter('datalayer_poll_errors_total', ['source_type'], {
    help: 'Polls of an endpoint that failed, pages that cannot be parsed included.',
    twin: { name: 'llm_d_inference_scheduler_datalayer_poll_errors_total', labels: same('source_type') },
  }),
  counter('datalayer_extract_errors_total', ['source_type', 'extractor_type'], {
    help: 'Well-formed pages in which an extractor did not find what it looks for.',
    twin: {
      name: 'llm_d_inference_scheduler_datalayer_extract_errors_total',
      labels: same('source_type', 'extractor_type'),
    },
  }),

  // Scheduling and plugins
  histogram('scheduler_e2e_duration_seconds', [], {
    buckets: BUCKETS.fast,
    help: 'Time of one scheduling run.',
    twin: { name: 'inference_extension_scheduler_e2e_duration_seconds', labels: [] },
  }),
  counter('scheduler_attempts_total', ['status', 'target_model_name', 'endpoint_name', 'namespace', 'port'], {
    help: 'Scheduling runs by result and first target.',
    twin: {
      name: 'inference_extension_scheduler_attempts_total',
      labels: [
        ...same('status', 'target_model_name', 'namespace', 'port'),
        { name: 'pod_name', from: 'endpoint_name' },
      ],
    },
  }),
  histogram('plugin_duration_seconds', AT_PLUGIN, {
    buckets: BUCKETS.fast,
    help: 'Time of one call of a plugin.',
    twin: { name: 'inference_extension_plugin_duration_seconds', labels: same(...AT_PLUGIN) },
  }),
  counter('plugin_errors_total', AT_PLUGIN, { help: 'Calls of a plugin that failed and were contained.' }),
  counter('plugin_slow_calls_total', AT_PLUGIN, {
    help: 'Calls of a plugin that held up the process for more than 20 ms.',
  }),
  counter('plugin_skipped_calls_total', PLUGIN, {
    help: 'Calls that a plugin of a module did not get because its calls before were slow.',
  }),
  counter('plugin_stray_errors_total', [], {
    help: 'Errors that plugins of modules left behind in timers and promises that nobody waits for.',
  }),
  counter('plugin_data_scope_violations_total', [...AT_PLUGIN, 'access'], {
    help: 'Accesses of a plugin to data it did not declare.',
  }),
  counter('disagg_decision_total', [...PLUGIN, 'model_name', 'decision_type'], {
    help: 'Requests by the stages they go through: decode-only, prefill-decode, encode-decode, encode-prefill-decode.',
    twin: {
      name: 'llm_d_inference_scheduler_disagg_decision_total',
      labels: same('model_name', 'decision_type'),
    },
  }),
  counter('pd_decision_total', [...PLUGIN, 'model_name', 'decision_type'], {
    help: 'Requests by the stages that pd-profile-handler asked for: decode-only or prefill-decode.',
    twin: {
      name: 'llm_d_inference_scheduler_pd_decision_total',
      labels: same('model_name', 'decision_type'),
    },
  }),
  counter('model_rewrite_decisions_total', ['model_rewrite_name', 'model_name', 'target_model'], {
    help: 'Model rewrites applied.',
    twin: {
      name: 'inference_extension_model_rewrite_decisions_total',
      labels: same('model_rewrite_name', 'model_name', 'target_model'),
    },
  }),
  gauge('inflight_requests', ['endpoint_name', 'namespace', 'producer_name', 'fairness_id', 'priority'], {
    help: 'Requests sent to an endpoint that have not ended.',
  }),
  gauge('inflight_tokens', ['endpoint_name', 'namespace', 'producer_name', 'fairness_id', 'priority'], {
    help: 'Estimated tokens of the requests sent to an endpoint that have not ended.',
  }),
  gauge('prefix_indexer_size', PLUGIN, {
    help: 'Entries of the prefix index.',
    twin: { name: 'inference_extension_prefix_indexer_size', labels: [] },
  }),
  counter('encoder_cache_queries_total', [...PLUGIN, 'modality'], {
    help: 'Distinct media items of requests whose encoder was chosen.',
  }),
  counter('encoder_cache_hits_total', [...PLUGIN, 'modality', 'pod'], {
    help: 'Of these, items that the chosen encoder was sent before.',
  }),
  histogram('encoder_cache_hit_ratio', PLUGIN, {
    buckets: BUCKETS.ratio,
    help: 'Share of the media items of a request that the chosen encoder was sent before.',
  }),
  histogram('prefix_indexer_hit_ratio', PLUGIN, {
    buckets: BUCKETS.ratio,
    help: 'Share of a prompt that the picked endpoint already holds.',
    twin: { name: 'inference_extension_prefix_indexer_hit_ratio', labels: [] },
  }),
  histogram('prefix_indexer_hit_bytes', PLUGIN, {
    buckets: BUCKETS.hitBytes,
    help: 'Prompt bytes that the picked endpoint already holds, at 4 bytes a token.',
    twin: { name: 'inference_extension_prefix_indexer_hit_bytes', labels: [] },
  }),
  counter('disaggregatedset_strict_header_no_match_total', [...PLUGIN, 'selector'], {
    help: 'Requests with a strict header that no endpoint has in its label.',
  }),
  gauge('disaggregatedset_revision_gating_share', [...PLUGIN, 'mode', 'revision'], {
    help: 'Share of the requests without strict header that a revision is given; 0 while it lacks a role.',
  }),
  gauge('flow_control_stale_endpoints', ['detector'], {
    help: 'Endpoints counted as full because their metrics are missing or stale.',
  }),

  // Predicted latency
  gauge('inference_request_metric', [...PLUGIN, ...MODEL, 'type'], {
    help: 'What was last seen, by type: ttft and tpot, actual and predicted (s), time of the prediction (s), objective missed (0 or 1).',
    twin: { name: 'inference_objective_inference_request_metric', labels: same(...MODEL, 'type') },
  }),
  histogram('inference_objective_request_ttft_seconds', MODEL, {
    buckets: BUCKETS.latency,
    help: 'Time to the first token, of answers that the latency predictor learns from.',
    replacedBy: 'llm_d_epp_request_ttft_seconds',
  }),
  histogram('inference_objective_request_tpot_seconds', MODEL, {
    buckets: BUCKETS.predictedPerToken,
    help: 'Time of one token after the first, of answers that the latency predictor learns from.',
    replacedBy: 'llm_d_epp_request_streaming_tpot_seconds',
  }),
  histogram('request_predicted_ttft_seconds', [...PLUGIN, ...MODEL], {
    buckets: BUCKETS.latency,
    help: 'Time to the first token as predicted, of requests whose actual time became known.',
    twin: { name: 'inference_objective_request_predicted_ttft_seconds', labels: same(...MODEL) },
  }),
  histogram('request_ttft_prediction_duration_seconds', [...PLUGIN, ...MODEL], {
    buckets: BUCKETS.prediction,
    help: 'Time that predicting the time to the first token took.',
    twin: { name: 'inference_objective_request_ttft_prediction_duration_seconds', labels: same(...MODEL) },
  }),
  histogram('request_predicted_tpot_seconds', [...PLUGIN, ...MODEL], {
    buckets: BUCKETS.predictedPerToken,
    help: 'Time of one token as predicted, of requests whose actual time became known.',
    twin: { name: 'inference_objective_request_predicted_tpot_seconds', labels: same(...MODEL) },
  }),
  histogram('request_tpot_prediction_duration_seconds', [...PLUGIN, ...MODEL], {
    buckets: BUCKETS.prediction,
    help: 'Time that predicting the time of one token took.',
    twin: { name: 'inference_objective_request_tpot_prediction_duration_seconds', labels: same(...MODEL) },
  }),
  counter('request_slo_violation_total', [...PLUGIN, ...MODEL, 'type'], {
    help: 'Requests that took longer than their client allows, by latency: ttft or tpot.',
    twin: { name: 'inference_objective_request_slo_violation_total', labels: same(...MODEL, 'type') },
  }),
  counter('latency_predictor_calls_total', [...PLUGIN, 'call', 'outcome'], {
    help: 'Calls of the latency predictor (predict, train) by outcome: ok, failed, abandoned; skipped are requests for which nobody could be asked.',
  }),

  // Process
  gauge('extproc_streams_inflight', [], {
    help: 'Open ext-proc streams (with --enable-grpc-stream-metrics).',
  }),
  histogram('extproc_stream_duration_seconds', [], {
    buckets: BUCKETS.stream,
    help: 'Life of an ext-proc stream (with --enable-grpc-stream-metrics).',
  }),
  counter('extproc_streams_total', ['code'], {
    help: 'Ended ext-proc streams by gRPC code (with --enable-grpc-stream-metrics).',
  }),
  gauge('event_loop_lag_seconds', [], { help: 'Longest delay of a timer in the last half minute.' }),
  gauge('info', ['commit', 'build_ref'], {
    help: 'Build of this program; always 1.',
    twin: { name: 'inference_extension_info', labels: same('commit', 'build_ref') },
  }),
];

/** Name under which a metric is exposed. */
export function fullName({ name, replacedBy }: Metric): string {
  return replacedBy === undefined ? METRIC_PREFIX + name : name;
}

function counter(name: string, labels: readonly string[], rest: Description): Metric {
  return metric('counter', name, labels, { ...rest, buckets: [] });
}

function gauge(name: string, labels: readonly string[], rest: Description): Metric {
  return metric('gauge', name, labels, { ...rest, buckets: [] });
}

function histogram(name: string, labels: readonly string[], rest: Described): Metric {
  return metric('histogram', name, labels, rest);
}

function metric(type: Metric['type'], name: string, labels: readonly string[], rest: Described): Metric {
  const { buckets, twin, replacedBy } = rest;
  const help = `[ALPHA] ${replacedBy === undefined ? '' : `[Deprecated: Use ${replacedBy}] `}${rest.help}`;
  return { name, type, labels, buckets, help, twin, replacedBy };
}

function same(...names: readonly string[]): readonly TwinLabel[] {
  return names.map((name) => ({ name, from: name }));
}
