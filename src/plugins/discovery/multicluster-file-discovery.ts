import type { EndpointDiscovery } from '../../framework/discovery.ts';
import type { StateDumper } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import {
  EndpointsFile,
  type EndpointsFileParams,
  endpointsFileParams,
} from './file-discovery/endpoints-file.ts';

/** `multicluster-file-discovery` (llm-d-router: pkg/epp/framework/plugins/discovery/file). */
export const multiclusterFileDiscovery = definePlugin<EndpointsFileParams, EndpointDiscovery & StateDumper>({
  type: 'multicluster-file-discovery',
  kinds: ['discovery', 'state-dumper'],
  stability: 'alpha',
  summary: 'Reads from a file which clusters there are; labels say where their metrics are.',
  params: endpointsFileParams('multicluster-file-discovery'),
  create: (config, context) => new EndpointsFile(config, 'members-or-labels', context),
});
