import { z } from 'zod';
import type { PollSource } from '../../framework/data-source.ts';
import { hostPort } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { intervalField, isPair, PAIR_ISSUE, pathField, schemeField, tlsFields } from './scrape/parameters.ts';
import { ScrapeSource } from './scrape/scrape-source.ts';

const params = z
  .strictObject({
    scheme: schemeField('http', 'metrics page'),
    path: pathField('/metrics', 'metrics page'),
    port: z
      .int()
      .min(1)
      .max(65_535)
      .optional()
      .describe("Port of the metrics page on every endpoint; the endpoint's own when not given."),
    ...tlsFields(true),
    interval: intervalField('0', 'Time between two scrapes of one endpoint; every base tick when not given.'),
  })
  .refine(isPair, PAIR_ISSUE);

type Params = z.infer<typeof params>;

/** `metrics-data-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/metrics). */
export const metricsDataSource = definePlugin<Params, PollSource>({
  type: 'metrics-data-source',
  kinds: ['source'],
  stability: 'beta',
  summary: "Scrapes each endpoint's Prometheus page.",
  params,
  create: (config, context) => {
    const { port } = config;
    return new ScrapeSource(
      {
        ...config,
        payload: 'prometheus',
        hostOf: (endpoint) => (port === undefined ? endpoint.metricsHost : hostPort(endpoint.address, port)),
      },
      context,
    );
  },
});
