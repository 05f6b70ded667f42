import { mean, pool, type Query, quantiles, rate, spread, tail } from './dashboard-queries.ts';

/** One panel; two or more share a line. */
export interface Panel {
  readonly title: string;
  readonly description?: string;
  readonly type?: 'timeseries' | 'stat' | 'heatmap' | 'table';
  /** Grafana's name of the unit; numbers without one when absent. */
  readonly unit?: string;
  readonly queries: readonly Query[];
}

/** A line of the dashboard that can be folded. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const BY_MODEL = 'model_name';

const TOTALS: readonly Panel[] = [
  { title: 'Requests', unit: 'reqps', queries: [rate('request_total', BY_MODEL)] },
  { title: 'Errors by code', unit: 'reqps', queries: [rate('request_error_total', 'error_code')] },
  { title: 'Responses by status', unit: 'reqps', queries: [rate('upstream_responses_total', 'code_class')] },
  {
    title: 'Running requests',
    queries: [{ expr: 'sum by (model_name) (llm_d_epp_request_running{SEL})', legend: '{{model_name}}' }],
  },
  {
    title: 'Tokens',
    unit: 'short',
    description: 'Per second, as model servers report them.',
    queries: ['input', 'output', 'cached'].map((kind) => ({
      expr: `sum(rate(llm_d_epp_request_${kind}_tokens_sum{SEL}[$__rate_interval]))`,
      legend: kind,
    })),
  },
  {
    title: 'Model rewrites',
    unit: 'reqps',
    queries: [rate('model_rewrite_decisions_total', 'model_rewrite_name, target_model')].map((query) => ({
      ...query,
      legend: '{{model_rewrite_name}} → {{target_model}}',
    })),
  },
];

const LATENCY: readonly Panel[] = [
  { title: 'Request duration', unit: 's', queries: quantiles('request_duration_seconds') },
  {
    title: 'Request duration p99 by model',
    unit: 's',
    queries: [tail('request_duration_seconds', BY_MODEL)],
  },
  { title: 'Time to first token', unit: 's', queries: quantiles('request_ttft_seconds') },
  { title: 'Time to first token p99 by model', unit: 's', queries: [tail('request_ttft_seconds', BY_MODEL)] },
  { title: 'Time per output token', unit: 's', queries: quantiles('request_streaming_tpot_seconds') },
  { title: 'Time between chunks', unit: 's', queries: quantiles('request_streaming_itl_seconds') },
  { title: 'Duration per output token', unit: 's', queries: quantiles('request_ntpot_seconds') },
  {
    title: 'Request duration p99 by priority',
    unit: 's',
    queries: [tail('request_duration_seconds', 'priority')],
  },
];

const CACHE: readonly Panel[] = [
  {
    title: 'Cached share of prompts',
    unit: 'percentunit',
    description: 'Prompt tokens that model servers took from their caches, of all they were sent.',
    queries: [
      {
        expr: 'sum(rate(llm_d_epp_request_cached_tokens_sum{SEL}[$__rate_interval])) / sum(rate(llm_d_epp_request_input_tokens_sum{SEL}[$__rate_interval]))',
        legend: 'reported by model servers',
      },
      {
        expr: 'sum(rate(llm_d_epp_prefix_indexer_hit_ratio_sum{SEL}[$__rate_interval])) / sum(rate(llm_d_epp_prefix_indexer_hit_ratio_count{SEL}[$__rate_interval]))',
        legend: 'expected by the picker',
      },
    ],
  },
  {
    title: 'Prefix hit ratio',
    unit: 'percentunit',
    description: 'Of the endpoint that was picked, as the picker knows it.',
    queries: quantiles('prefix_indexer_hit_ratio'),
  },
  {
    title: 'Prefix index entries',
    queries: [
      {
        expr: 'sum by (pod, plugin_name) (llm_d_epp_prefix_indexer_size{SEL})',
        legend: '{{pod}} {{plugin_name}}',
      },
    ],
  },
  { title: 'KV-cache use', unit: 'percentunit', queries: spread('kv_cache_utilization') },
];

const QUEUES: readonly Panel[] = [
  { title: 'Waiting requests per endpoint', queries: spread('queue_size') },
  { title: 'Running requests per endpoint', queries: spread('running_requests') },
  {
    title: 'Queue of each endpoint',
    type: 'heatmap',
    queries: [
      {
        expr: 'max by (model_server_endpoint) (llm_d_epp_per_endpoint_queue_size{SEL})',
        legend: '{{model_server_endpoint}}',
      },
    ],
  },
  {
    title: 'Share of each endpoint',
    unit: 'percentunit',
    description: 'Even is not the aim: endpoints that know a prompt get more of its kind.',
    queries: [
      {
        expr: 'sum by (endpoint_name, port) (rate(llm_d_epp_scheduler_attempts_total{SEL,status="success"}[$__rate_interval])) / scalar(sum(rate(llm_d_epp_scheduler_attempts_total{SEL,status="success"}[$__rate_interval])))',
        legend: '{{endpoint_name}}:{{port}}',
      },
    ],
  },
  {
    title: 'Requests in flight by endpoint',
    queries: [
      { expr: 'sum by (endpoint_name) (llm_d_epp_inflight_requests{SEL})', legend: '{{endpoint_name}}' },
    ],
  },
  {
    title: 'Tokens in flight by endpoint',
    queries: [
      { expr: 'sum by (endpoint_name) (llm_d_epp_inflight_tokens{SEL})', legend: '{{endpoint_name}}' },
    ],
  },
  {
    title: 'Endpoints counted as full for want of metrics',
    queries: [
      { expr: 'max by (detector) (llm_d_epp_flow_control_stale_endpoints{SEL})', legend: '{{detector}}' },
    ],
  },
];

const COST: readonly Panel[] = [
  { title: 'Scheduling', unit: 's', queries: quantiles('scheduler_e2e_duration_seconds') },
  {
    title: 'Request headers to decision',
    unit: 's',
    description: 'Includes the time in which the prompt arrives.',
    queries: quantiles('request_processing_duration_seconds'),
  },
  { title: 'Work on one response', unit: 's', queries: quantiles('response_processing_duration_seconds') },
  { title: 'Time of plugins', unit: 's', queries: [mean('plugin_duration_seconds', 'plugin_name')] },
  {
    title: 'Failures of scheduling and plugins',
    unit: 'reqps',
    queries: [
      {
        expr: 'sum(rate(llm_d_epp_scheduler_attempts_total{SEL,status="failure"}[$__rate_interval]))',
        legend: 'scheduling',
      },
      rate('plugin_errors_total', 'plugin_name'),
    ],
  },
];

const DATA: readonly Panel[] = [
  {
    title: 'Endpoints',
    queries: [
      { expr: 'max by (name, state) (llm_d_epp_endpoints{SEL})', legend: '{{name}} {{state}}' },
      pool('ready_endpoints', 'ready'),
    ],
  },
  {
    title: 'Age of metrics',
    unit: 's',
    queries: [
      {
        expr: 'max by (model_server_endpoint) (llm_d_epp_endpoint_scrape_age_seconds{SEL})',
        legend: '{{model_server_endpoint}}',
      },
    ],
  },
  {
    title: 'Scrapes that failed',
    unit: 'cps',
    queries: [
      { ...rate('datalayer_poll_errors_total', 'source_type'), legend: '{{source_type}}: no readable page' },
      {
        ...rate('datalayer_extract_errors_total', 'source_type, extractor_type'),
        legend: '{{extractor_type}}: nothing found',
      },
    ],
  },
];

const PROCESS: readonly Panel[] = [
  {
    title: 'Leader',
    description: '1 on the replica that leads; nothing without leader election.',
    queries: [{ expr: 'max by (pod, name) (llm_d_epp_leader{SEL})', legend: '{{pod}}' }],
  },
  {
    title: 'Builds',
    type: 'table',
    queries: [{ expr: 'max by (pod, commit, build_ref) (llm_d_epp_info{SEL})', legend: '' }],
  },
  {
    title: 'CPU',
    unit: 'none',
    description: 'Cores.',
    queries: [
      { expr: 'sum by (pod) (rate(process_cpu_seconds_total{SEL}[$__rate_interval]))', legend: '{{pod}}' },
    ],
  },
  {
    title: 'Memory',
    unit: 'bytes',
    queries: [
      { expr: 'sum by (pod) (process_resident_memory_bytes{SEL})', legend: '{{pod}} resident' },
      { expr: 'sum by (pod) (nodejs_heap_size_used_bytes{SEL})', legend: '{{pod}} heap' },
    ],
  },
  {
    title: 'Event loop lag',
    unit: 's',
    description: 'Every request waits for as long.',
    queries: [
      { expr: 'max by (pod) (llm_d_epp_event_loop_lag_seconds{SEL})', legend: '{{pod}} longest' },
      { expr: 'max by (pod) (nodejs_eventloop_lag_p99_seconds{SEL})', legend: '{{pod}} p99' },
    ],
  },
  {
    title: 'Garbage collection',
    unit: 'percentunit',
    description: 'Share of time.',
    queries: [
      {
        expr: 'sum by (pod, kind) (rate(nodejs_gc_duration_seconds_sum{SEL}[$__rate_interval]))',
        legend: '{{pod}} {{kind}}',
      },
    ],
  },
  {
    title: 'Streams of proxies',
    description: 'With --enable-grpc-stream-metrics.',
    queries: [
      { expr: 'sum by (pod) (llm_d_epp_extproc_streams_inflight{SEL})', legend: '{{pod}} open' },
      rate('extproc_streams_total', 'code'),
    ],
  },
];

/** The dashboard from top to bottom. */
export const ROWS: readonly Row[] = [
  { title: 'Traffic', panels: TOTALS },
  { title: 'Tail latency', panels: LATENCY },
  { title: 'Cache health', panels: CACHE },
  { title: 'Queue health', panels: QUEUES },
  { title: 'Decision cost', panels: COST },
  { title: 'Data layer', panels: DATA },
  { title: 'Leader, build, process', panels: PROCESS },
];
