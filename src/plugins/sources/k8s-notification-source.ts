import { z } from 'zod';
import type { EventSource } from '../../framework/data-source.ts';
import { definePlugin } from '../../framework/plugin.ts';

/** Names of groups are those of DNS, versions and kinds parts of a path. */
const GROUP = /^$|^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$/;
const VERSION = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const KIND = /^[A-Za-z]([-A-Za-z0-9]*[A-Za-z0-9])?$/;

const params = z.strictObject({
  group: z
    .string()
    .regex(GROUP, 'want an API group, such as apps')
    .default('')
    .describe('API group; empty for core.'),
  version: z.string().regex(VERSION, 'want an API version, such as v1').describe('API version, such as v1.'),
  kind: z.string().regex(KIND, 'want a kind, such as Pod').describe('Kind of the objects, such as Pod.'),
});

type Params = z.infer<typeof params>;

/** `k8s-notification-source` (llm-d-router: pkg/epp/framework/plugins/datalayer/source/notifications). */
export const k8sNotificationSource = definePlugin<Params, EventSource>({
  type: 'k8s-notification-source',
  kinds: ['event-source'],
  stability: 'beta',
  summary: 'Says in a configuration that plugins follow Kubernetes objects of a kind; they do so without it.',
  params,
  create: ({ group, version, kind }) => ({ events: { group, version, kind } }),
});
