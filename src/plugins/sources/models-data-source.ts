import { z } from 'zod';
import type { PollSource } from '../../framework/data-source.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { intervalField, isPair, PAIR_ISSUE, pathField, schemeField, tlsFields } from './scrape/parameters.ts';
import { ScrapeSource } from './scrape/scrape-source.ts';

const params = z
  .strictObject({
    scheme: schemeField('http', 'list of models'),
    path: pathField('/v1/models', 'list of models'),
    ...tlsFields(true),
    interval: intervalField('5s', 'Time between two readings of one endpoint; 0 for every base tick.'),
  })
  .refine(isPair, PAIR_ISSUE);

type Params = z.infer<typeof params>;

/** `models-data-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/models). */
export const modelsDataSource = definePlugin<Params, PollSource>({
  type: 'models-data-source',
  kinds: ['source'],
  stability: 'beta',
  summary: 'Asks each endpoint which models it serves.',
  params,
  create: (config, context) =>
    new ScrapeSource(
      { ...config, payload: 'json-models', hostOf: (endpoint) => endpoint.metricsHost },
      context,
    ),
});
