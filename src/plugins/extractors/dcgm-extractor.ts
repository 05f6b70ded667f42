import { z } from 'zod';
import type { Extractor } from '../../framework/data-source.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { PageScanner } from '../../util/prometheus-text.ts';
import { gpuUtilizationKey } from '../attributes/scalar.ts';

const METRIC = 'DCGM_FI_DEV_GPU_UTIL';
const TYPE_LINE = Buffer.from(`# TYPE ${METRIC} `);
const GAUGE = 'gauge';

const POD = Buffer.from('pod');
const NAMESPACE = Buffer.from('namespace');

/** The type is the producer, whatever the name of the instance. */
const KEY = gpuUtilizationKey('dcgm-extractor');

/**
 * GPUUtilization = largest value of the endpoint's GPUs / 100
 *
 * A GPU is the endpoint's when its labels `pod` and `namespace` name the endpoint's pod; a label that is absent fits
 * everybody. Values outside 0..100 are the exporter's way of saying that it knows none.
 */
class DcgmExtractor implements Extractor {
  readonly payload = 'prometheus';
  readonly #scanner = new PageScanner([METRIC]);

  extract(bytes: Uint8Array, endpoint: Endpoint): boolean {
    const scanner = this.#scanner;
    scanner.open(bytes);
    let largest = Number.NaN;
    for (let name = scanner.next(); name >= 0; name = scanner.next()) {
      const { value } = scanner;
      if (!(value >= 0 && value <= 100) || value <= largest) continue;
      if (isOf(endpoint.name, scanner.label(POD)) && isOf(endpoint.namespace, scanner.label(NAMESPACE))) {
        largest = value;
      }
    }
    if (Number.isNaN(largest)) return false;
    requireGauge(bytes);
    endpoint.attributes.set(KEY, largest / 100);
    return true;
  }
}

function isOf(wanted: string, label: string | undefined): boolean {
  return label === undefined || label === wanted;
}

/** Without a type line, any number will do. */
function requireGauge(bytes: Uint8Array): void {
  const page = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const at = page.indexOf(TYPE_LINE);
  if (at < 0) return;
  const from = at + TYPE_LINE.length;
  const type = page
    .toString('latin1', from, from + 20)
    .trimStart()
    .split(/\s/, 1)[0];
  if (type !== GAUGE) throw new Error(`${METRIC}: got a ${type}, want a gauge`);
}

/** `dcgm-extractor` (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/dcgm; it ignores the namespace). */
export const dcgmExtractor = definePlugin<object, Extractor>({
  type: 'dcgm-extractor',
  kinds: ['extractor'],
  stability: 'alpha',
  summary: "Reads how busy an endpoint's GPUs are from the page of the NVIDIA DCGM exporter.",
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ produces: [KEY] }),
  create: () => new DcgmExtractor(),
});
