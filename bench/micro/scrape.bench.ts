// How much one scraped page costs: finding the wanted samples, and applying them to an endpoint.
import { readFileSync } from 'node:fs';
import { bench, do_not_optimize, run } from 'mitata';
import { coreMetricsExtractor } from '../../src/plugins/extractors/core-metrics-extractor.ts';
import { PageScanner } from '../../src/util/prometheus-text.ts';
import { context, endpoint } from '../../test/support/builders.ts';

const NAMES = [
  'vllm:num_requests_waiting',
  'vllm:num_requests_running',
  'vllm:kv_cache_usage_perc',
  'vllm:gpu_cache_usage_perc',
  'vllm:lora_requests_info',
  'vllm:cache_config_info',
];
const PAGES = [
  'vllm-0.32.0/metrics-idle.txt',
  'vllm-0.32.0/metrics-busy.txt',
  'vllm-0.32.0-dp2/metrics-busy.txt',
];

for (const page of PAGES) {
  const bytes = readFileSync(new URL(`../../test/fixtures/${page}`, import.meta.url));
  const scanner = new PageScanner(NAMES);
  bench(`scan ${page} (${bytes.length} bytes)`, () => {
    scanner.open(bytes);
    let sum = 0;
    for (let name = scanner.next(); name >= 0; name = scanner.next()) sum += scanner.value;
    return do_not_optimize(sum);
  });
  const extractor = coreMetricsExtractor.create(coreMetricsExtractor.params.parse({}), context());
  const one = endpoint();
  bench(`extract ${page}`, () => do_not_optimize(extractor.extract(bytes, one, 1)));
}

await run({ throw: true });
