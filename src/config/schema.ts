import { z } from 'zod';
import { duration, fraction, quantity } from '../framework/schema.ts';
import { poolsSchema } from './pools.ts';

/** The `apiVersion` of this document. */
export const API_VERSION = 'llm-d.ai/v1alpha1';
/** The older one, which means the same. */
export const OLD_API_VERSION = 'inference.networking.x-k8s.io/v1alpha1';
export const KIND = 'EndpointPickerConfig';

const reference = z.strictObject({
  pluginRef: z.string().min(1).describe('Name of a listed plugin, or a type that needs no parameters.'),
});

const band = z.strictObject({
  priority: z.int().optional().describe('Higher is more important; 0 when absent.'),
  maxBytes: quantity().optional().describe('Queued bytes the band may hold.'),
  maxRequests: quantity().optional().describe('Queued requests the band may hold.'),
  fairnessPolicyRef: z.string().optional().describe('Plugin that shares the band between flows.'),
  orderingPolicyRef: z.string().optional().describe('Plugin that orders a flow.'),
});

const OLD_PLACE = { description: 'Old place of the detector parameter.', deprecated: true };

/** What stood beside the reference to a detector before it became parameters of the plugin. */
export const OLD_THRESHOLDS = {
  queueDepthThreshold: z.int().min(1).optional().meta(OLD_PLACE),
  kvCacheUtilThreshold: fraction().optional().meta(OLD_PLACE),
  metricsStalenessThreshold: duration().optional().meta(OLD_PLACE),
};

const saturationDetector = z.strictObject({
  pluginRef: z
    .string()
    .optional()
    .describe('Name or type of the detector; `utilization-detector` when absent.'),
  ...OLD_THRESHOLDS,
});

/** What an `EndpointPickerConfig` may say, apart from the parameters of plugins. Sections are in `docs/configuration.md`. */
export const documentSchema = z.strictObject({
  apiVersion: z.string().optional().describe(`\`${API_VERSION}\`.`),
  kind: z.string().optional().describe(`\`${KIND}\`.`),
  featureGates: z.array(z.string()).optional().describe('`name` or `name=bool`; later entries win.'),
  plugins: z
    .array(
      z.strictObject({
        name: z.string().optional().describe('Unique; the type when absent.'),
        type: z.string().min(1).describe('Plugin type, see the index of plugins.'),
        module: z
          .string()
          .min(1)
          .optional()
          .describe('File or package that defines the type, seen from this file; for plugins of your own.'),
        parameters: z.unknown().optional().describe('What the type takes.'),
      }),
    )
    .optional()
    .describe('Plugin instances; listing one activates its hooks.'),
  schedulingProfiles: z
    .array(
      z.strictObject({
        name: z.string().min(1).describe('Unique.'),
        plugins: z
          .array(
            z.strictObject({
              pluginRef: z
                .string()
                .min(1)
                .describe('Name of a listed plugin, or a type that needs no parameters.'),
              weight: z.number().optional().describe('Factor of a scorer; 1 when absent.'),
            }),
          )
          .optional()
          .describe('Filters run in this order, then scorers, then the picker.'),
      }),
    )
    .optional()
    .describe('One profile `default` with every filter, scorer and picker when absent.'),
  requestHandler: z
    .strictObject({
      parsers: z.array(reference).optional().describe('In the order in which they claim paths.'),
    })
    .optional()
    .describe('Which APIs are understood.'),
  flowControl: z
    .strictObject({
      maxBytes: quantity().optional().describe('Queued bytes over all bands; 0 is unlimited.'),
      maxRequests: quantity().optional().describe('Queued requests over all bands; 0 is unlimited.'),
      defaultRequestTTL: duration().optional().describe('Longest wait in the queue; 0s disables.'),
      noEndpointRequestTTL: duration()
        .optional()
        .describe('Longest wait while the pool is empty; 0s disables.'),
      defaultPriorityBand: band.optional().describe('Template for priorities that are not listed.'),
      defaultNegativePriorityBand: band.optional().describe('Template for those below 0.'),
      priorityBands: z.array(band).optional().describe('Bands by priority.'),
      usageLimitPolicyPluginRef: z.string().optional().describe('Plugin that caps bands.'),
      saturationDetector: saturationDetector
        .optional()
        .describe('What decides that the pool is full; always used.'),
      enableEviction: z.boolean().optional().describe('Take back requests of negative priority.'),
    })
    .optional()
    .describe('Queueing; needs the gate `flowControl`, except for `saturationDetector`.'),
  dataLayer: z
    .strictObject({
      injectDefaults: z.boolean().optional().describe('Add the default metrics source; true when absent.'),
      sources: z
        .array(
          z.strictObject({
            pluginRef: z.string().min(1).describe('Data source.'),
            extractors: z.array(reference).optional().describe('What reads its pages.'),
          }),
        )
        .optional()
        .describe('Where endpoint data comes from.'),
      discovery: reference.optional().describe('Finds endpoints without Kubernetes.'),
      peerDiscovery: reference.optional().describe('Accepted; no effect.'),
      crossReplicaSyncerPluginRef: z.string().optional().describe('Shares state between replicas.'),
      crossReplicaSyncInterval: duration().optional().describe('How often.'),
    })
    .optional()
    .describe('What is known about endpoints.'),
  saturationDetector: saturationDetector
    .optional()
    .meta({ description: 'Old place of `flowControl.saturationDetector`.', deprecated: true }),
  parser: reference
    .optional()
    .meta({ description: 'Old place of `requestHandler.parsers`.', deprecated: true }),
  pools: poolsSchema
    .optional()
    .describe('Pools of this process beside those of `--pool-name`; each with its own plugins and state.'),
});
