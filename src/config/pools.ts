import { z } from 'zod';
import { parseHostPort } from '../framework/endpoint.ts';
import { type ConfigNode, entryOf, plainOf } from './node.ts';

const place = z.string().regex(/^[^/\s]+$/, 'want a name without slash and white space');

const address = z
  .string()
  .refine((text) => parseHostPort(text) !== undefined, 'want host:port, IPv6 in brackets, port 1 to 65535');

/** `pools` of the configuration: the pools of one process. A document that says nothing else is the default one besides. */
export const poolsSchema = z
  .array(
    z.strictObject({
      name: place.describe('Name of the pool; of the InferencePool unless it has endpoints.'),
      namespace: place.optional().describe('Namespace of the pool; `--pool-namespace` when absent.'),
      endpoints: z
        .array(address)
        .min(1)
        .optional()
        .describe('Model servers as `host:port`, in place of an InferencePool.'),
      configFile: z
        .string()
        .min(1)
        .optional()
        .describe(
          'File with a configuration of its own, seen from the working directory; this document when absent.',
        ),
    }),
  )
  .superRefine((pools, context) => {
    const seen = new Set<string>();
    for (const [i, { name, namespace = '' }] of pools.entries()) {
      const key = `${namespace}/${name}`;
      if (seen.has(key)) context.addIssue({ code: 'custom', path: [i, 'name'], message: 'is listed twice' });
      seen.add(key);
    }
  });

/** One of `pools`. */
export type PoolDeclaration = z.infer<typeof poolsSchema>[number];

/** What the document says of pools; none when that is malformed, which the check of the whole document reports. */
export function poolsOf(root: ConfigNode): readonly PoolDeclaration[] {
  const entry = entryOf(root, 'pools');
  if (entry === undefined) return [];
  return poolsSchema.safeParse(plainOf(entry.value)).data ?? [];
}
