import { z } from 'zod';
import type { PollSource } from '../../framework/data-source.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { intervalField, isPair, PAIR_ISSUE, pathField, schemeField, tlsFields } from './scrape/parameters.ts';
import { ScrapeSource } from './scrape/scrape-source.ts';

const params = z
  .strictObject({
    scheme: schemeField('https', 'metrics page'),
    path: pathField('/metrics', 'metrics page'),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe('Accepted and without effect: discovery says where the metrics of a cluster are.'),
    ...tlsFields(false),
    interval: intervalField('0', 'Time between two scrapes of one cluster; every base tick when not given.'),
  })
  .refine(isPair, PAIR_ISSUE);

type Params = z.infer<typeof params>;

/**
 * `multicluster-metrics-data-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/multicluster). Pages of
 * more than 8 MiB are refused, as everywhere, not cut off.
 */
export const multiclusterMetricsDataSource = definePlugin<Params, PollSource>({
  type: 'multicluster-metrics-data-source',
  kinds: ['source'],
  stability: 'alpha',
  summary: 'Scrapes the picker of each cluster that an endpoint stands for.',
  params,
  create: (config, context) => {
    if (config.port !== undefined) {
      context.log.warn(
        { port: config.port },
        'port has no effect on this source: give metricsPort where the endpoints are listed',
      );
    }
    return new ScrapeSource(
      { ...config, payload: 'prometheus', hostOf: (endpoint) => endpoint.metricsHost },
      context,
    );
  },
});
