import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { helmTemplate } from './render.ts';

const FOLDER = 'test/deployment/golden';

/** Sets of values whose rendering is kept, to be read by people when it changes. */
export const GOLDEN_SETS = ['gateway-istio', 'standalone-service', 'gke'] as const;

/** Values of a set. */
export function goldenValues(name: string): object {
  return parse(readFileSync(`${FOLDER}/${name}.values.yaml`, 'utf8')) as object; // our own file
}

/** What is kept of a set. */
export function goldenText(name: string): string {
  return readFileSync(`${FOLDER}/${name}.yaml`, 'utf8');
}

// node test/support/deployment/golden.ts: keeps what the chart renders; then read the difference
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of GOLDEN_SETS) writeFileSync(`${FOLDER}/${name}.yaml`, helmTemplate(goldenValues(name)));
}
