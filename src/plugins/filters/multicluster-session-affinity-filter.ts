import { definePlugin } from '../../framework/plugin.ts';
import { createStrategy, sessionDependencies, sessionProfiles } from '../scorers/session-affinity/create.ts';
import { sessionAffinityParams } from '../scorers/session-affinity/parameters.ts';
import { SessionAffinityFilter } from './session-affinity/session-filter.ts';

/** `multicluster-session-affinity-filter`: `session-affinity-filter` where endpoints stand for clusters. */
export const multiclusterSessionAffinityFilter = definePlugin({
  type: 'multicluster-session-affinity-filter',
  kinds: ['filter', 'pre-request', 'response-header'],
  stability: 'alpha',
  summary: 'Keeps only the cluster that served the session before, if it is a candidate.',
  params: sessionAffinityParams,
  dependencies: sessionDependencies,
  profiles: sessionProfiles,
  create: (params, context) => new SessionAffinityFilter(createStrategy(params, context)),
});
