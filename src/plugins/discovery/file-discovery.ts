import type { EndpointDiscovery } from '../../framework/discovery.ts';
import type { StateDumper } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import {
  EndpointsFile,
  type EndpointsFileParams,
  endpointsFileParams,
} from './file-discovery/endpoints-file.ts';

/** `file-discovery` (llm-d-router: pkg/epp/framework/plugins/discovery/file). */
export const fileDiscovery = definePlugin<EndpointsFileParams, EndpointDiscovery & StateDumper>({
  type: 'file-discovery',
  kinds: ['discovery', 'state-dumper'],
  stability: 'beta',
  summary: 'Reads the pool from a file and follows its changes; no Kubernetes needed.',
  params: endpointsFileParams('file-discovery'),
  create: (config, context) => new EndpointsFile(config, 'members', context),
});
