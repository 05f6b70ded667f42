import { z } from 'zod';
import type { PollSource } from '../../framework/data-source.ts';
import { hostPort } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import {
  intervalField,
  NO_CREDENTIALS,
  pathField,
  schemeField,
  skipVerifyField,
} from './scrape/parameters.ts';
import { ScrapeSource } from './scrape/scrape-source.ts';

/** Where the NVIDIA DCGM exporter listens unless it is told otherwise. */
const EXPORTER_PORT = 9400;

const params = z
  .strictObject({
    scheme: schemeField('http', "exporter's page"),
    path: pathField('/metrics', "exporter's page"),
    port: z
      .int()
      .min(0)
      .max(65_535)
      .default(EXPORTER_PORT)
      .describe("Port of the exporter; 0 for the endpoint's own metrics port."),
    insecureSkipVerify: skipVerifyField(),
    useNodeAddress: z
      .boolean()
      .default(false)
      .describe(
        'Read the exporter of the node (a DaemonSet), not of the pod (a side car); of the pod where the node is not known.',
      ),
    interval: intervalField('1s', 'Time between two scrapes for one endpoint; 0 for every base tick.'),
  })
  .refine((config) => !(config.useNodeAddress && config.port === 0), {
    path: ['useNodeAddress'],
    message: 'useNodeAddress needs a port: the metrics port of an endpoint is not one of its node',
  });

type Params = z.infer<typeof params>;

/** `dcgm-data-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/dcgm). */
export const dcgmDataSource = definePlugin<Params, PollSource>({
  type: 'dcgm-data-source',
  kinds: ['source'],
  stability: 'alpha',
  summary: "Scrapes the NVIDIA DCGM exporter of each endpoint's pod or node.",
  params,
  create: (config, context) => {
    const { port, useNodeAddress } = config;
    return new ScrapeSource(
      {
        ...config,
        ...NO_CREDENTIALS,
        payload: 'prometheus',
        hostOf: (endpoint) => {
          if (port === 0) return endpoint.metricsHost;
          const isOfNode = useNodeAddress && endpoint.nodeAddress !== '';
          return hostPort(isOfNode ? endpoint.nodeAddress : endpoint.address, port);
        },
      },
      context,
    );
  },
});
