import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { FakeClock } from '../../test/support/fake-clock.ts';
import { Engine } from './engine.ts';
import { formatValue, MetricsPage } from './metrics-page.ts';
import { simOptions } from './options.ts';

test.each([
  [0, '0.0'],
  [4, '4.0'],
  [0.25, '0.25'],
  [999_999, '999999.0'],
  [1_000_000, '1e+06'],
  [1_812_740, '1.81274e+06'],
  [1_795_252_651.9960167, '1.7952526519960167e+09'],
  [0.006837606837606813, '0.006837606837606813'],
  [-3, '-3.0'],
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NaN, 'NaN'],
])('formatValue(%d) is %s', (value, text) => {
  expect(formatValue(value)).toBe(text);
});

describe('MetricsPage', () => {
  /** Family, type and label names of every series, in order, without repetitions. */
  const shapes = (page: string) => {
    const types = new Map<string, string>();
    const seen = new Set<string>();
    for (const line of page.split('\n')) {
      const type = /^# TYPE (\S+) (\S+)$/.exec(line);
      if (type !== null) types.set(type[1] ?? '', type[2] ?? '');
      const sample = /^([^{# ]+)\{([^}]*)\} \S+$/.exec(line);
      if (sample === null || !line.startsWith('vllm:')) continue;
      const name = sample[1] ?? '';
      const family = name.replace(/_(bucket|sum|count)$/, '');
      const labels = (sample[2] ?? '').replace(/="[^"]*"/g, '');
      seen.add(`${name} ${types.get(name) ?? types.get(family)} ${labels}`);
    }
    return [...seen];
  };

  function page(lora = false) {
    const clock = new FakeClock();
    const options = simOptions({
      model: 'tiny',
      maxLoras: 2,
      blockSize: 128,
      numGpuBlocks: 4096,
      maxModelLen: 8192,
    });
    const engine = new Engine(options, { clock, seed: 1, afterTurn: () => undefined });
    const metrics = new MetricsPage(engine, options, () => clock.wallMs());
    if (lora) metrics.noteLoraUse();
    return metrics.render();
  }

  test('every series has the form of a real page, in its order', () => {
    const real = shapes(readFileSync('test/fixtures/vllm-0.32.0/metrics-busy.txt', 'utf8'));
    const ours = shapes(page(true)).filter((shape) => !shape.startsWith('vllm:cache_config_info'));
    expect(ours.length).toBeGreaterThan(30);
    expect(ours.filter((shape) => !real.includes(shape))).toEqual([]);
    expect(ours).toEqual(real.filter((shape) => ours.includes(shape)));
  });

  test('bucket bounds are the real ones', () => {
    const bounds = (text: string) =>
      text
        .split('\n')
        .filter((line) =>
          /^vllm:(time_to_first|inter_token|e2e|request_queue|request_prompt_tokens_b)/.test(line),
        )
        .flatMap((line) => /^[^{]+\{.*le="[^"]+"/.exec(line)?.[0].replace('engine="0",', '') ?? []);
    expect(bounds(page())).toEqual(
      bounds(readFileSync('test/fixtures/vllm-0.32.0/metrics-idle.txt', 'utf8')),
    );
  });

  test('cache settings carry the labels readers use', () => {
    expect(page()).toMatch(/^vllm:cache_config_info\{block_size="128",.*num_gpu_blocks="4096",.*\} 1\.0$/m);
  });

  test('adapters show from the first request for one on', () => {
    expect(page()).not.toContain('vllm:lora_requests_info{');
    expect(page(true)).toContain(
      'vllm:lora_requests_info{max_lora="2",running_lora_adapters="",waiting_lora_adapters=""} ',
    );
  });
});
