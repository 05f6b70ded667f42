import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { buildPipeline } from '../../src/config/build.ts';
import { loadConfiguration } from '../../src/config/load.ts';
import { CATALOGUE } from '../../src/plugins/catalogue.ts';
import { context } from '../support/builders.ts';

const EVENTS = 'it needs the index of KV events';
const FLOW = 'it needs the flow-control layer';
const RENDERER = 'selects the vllm renderer backend, which is not available in this version';
const GATE = 'feature gate flowControl: the flow control layer is not available in this version';

/** Documents of the reference that this version understands but cannot serve, and what each is refused for. */
const PLANNED: Readonly<Record<string, readonly string[]>> = {
  'precise-prefix': [
    RENDERER,
    `type 'precise-prefix-cache-producer' is known but not available in this version: ${EVENTS}`,
  ],
  'precise-global-socket': [
    `type 'precise-prefix-cache-producer' is known but not available in this version: ${EVENTS}`,
  ],
  'precise-scorer': [
    `type 'precise-prefix-cache-scorer' is known but not available in this version: ${EVENTS}`,
  ],
  'precise-scorer-nested': [
    `type 'precise-prefix-cache-scorer' is known but not available in this version: ${EVENTS}`,
  ],
  'flow-control': [
    GATE,
    `type 'round-robin-fairness-policy' is known but not available in this version: ${FLOW}`,
    `type 'edf-ordering-policy' is known but not available in this version: ${FLOW}`,
    `type 'static-usage-limit-policy' is known but not available in this version: ${FLOW}`,
  ],
  'soft-ceiling': [
    GATE,
    `type 'soft-reflective-ceiling-policy' is known but not available in this version: ${FLOW}`,
  ],
  'program-aware': [
    GATE,
    `type 'program-aware-fairness' is known but not available in this version: ${FLOW}`,
  ],
  'tokenizer-alias': [RENDERER],
};

test.each(Object.entries(PLANNED))(
  '%s is refused for what is missing, and for nothing else',
  (name, wants) => {
    const text = readFileSync(`test/fixtures/configs/planned/${name}.yaml`, 'utf8');
    const loaded = loadConfiguration(text, { catalogue: CATALOGUE, allowExperimental: true });
    const problems =
      loaded.document === undefined
        ? loaded.problems
        : buildPipeline(loaded.document, (plugin) => context(plugin)).problems;
    const errors = problems.filter(({ severity }) => severity === 'error').map(({ message }) => message);
    expect(errors).toHaveLength(wants.length);
    for (const [i, want] of wants.entries()) expect(errors[i]).toContain(want);
  },
);
