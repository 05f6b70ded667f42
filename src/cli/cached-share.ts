import type { EndpointPickerConfig } from '../config/load.ts';
import type { Endpoint } from '../framework/endpoint.ts';
import type { InferenceRequest } from '../framework/request.ts';
import { prefixMatchKey } from '../plugins/attributes/prefix-match.ts';

/**
 * Reads which share of a prompt an endpoint has in its cache, 0..1, from what one producer found out.
 *
 * `producer`: its name; undefined: the default one if something produces under that name, else the first that is
 * listed. Without any, nothing is known and the share is 0.
 */
export function cachedShareOf(
  config: Pick<EndpointPickerConfig, 'plugins'>,
  producer: string | undefined,
): (request: InferenceRequest, endpoint: Endpoint) => number {
  const key = prefixMatchKey(producer ?? listedProducer(config));
  return (request, { slot }) => {
    const match = request.attributes.get(key);
    if (match === undefined || match.totalBlocks <= 0) return 0;
    return Math.min(1, (match.matchBlocks[slot] ?? 0) / match.totalBlocks);
  };
}

function listedProducer(config: Pick<EndpointPickerConfig, 'plugins'>): string {
  const usual = prefixMatchKey('');
  const produced = config.plugins
    .flatMap((entry) => entry.dependencies.produces ?? [])
    .filter((key) => key.dataType === usual.dataType);
  return (produced.find((key) => key === usual) ?? produced[0])?.producer ?? '';
}
