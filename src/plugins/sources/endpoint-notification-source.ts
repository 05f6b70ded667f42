import { z } from 'zod';
import type { EventSource } from '../../framework/data-source.ts';
import { definePlugin } from '../../framework/plugin.ts';

/** `endpoint-notification-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/notifications). */
export const endpointNotificationSource = definePlugin<object, EventSource>({
  type: 'endpoint-notification-source',
  kinds: ['event-source'],
  stability: 'beta',
  summary: 'Says in a configuration that plugins follow which endpoints there are; they do so without it.',
  params: z.strictObject({}),
  ignoresParameters: true,
  create: () => ({ events: 'endpoints' }),
});
