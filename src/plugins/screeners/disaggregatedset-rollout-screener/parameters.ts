import { z } from 'zod';
import { parseLabelSelector } from '../../../framework/label-selector.ts';

const labelSelector = z
  .string()
  .min(1)
  .superRefine((text, context) => {
    try {
      parseLabelSelector(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });

const headerSelector = z.strictObject({
  name: z.string().min(1).describe('Name of the selector, in metrics; unique.'),
  headerName: z.string().min(1).describe('Header of requests and responses, in any case; unique.'),
  labelKey: z.string().min(1).describe('Label of endpoints that the header is about.'),
  mode: z
    .enum(['strict', 'prefer'])
    .describe('strict: only endpoints whose label equals the header; prefer: the response header alone.'),
});

const revisionGating = z
  .strictObject({
    mode: z
      .enum(['sum', 'max-role', 'disabled'])
      .describe('How much a revision weighs: pods of all required roles, or of the role that has the most.'),
    revisionLabelKey: z
      .string()
      .min(1)
      .default('disaggregatedset.x-k8s.io/revision')
      .describe('Label with the revision of a pod.'),
    roleLabelKey: z
      .string()
      .min(1)
      .default('disaggregatedset.x-k8s.io/role')
      .describe('Label with the role of a pod.'),
    requireRoles: z
      .strictObject({
        values: z
          .array(z.string())
          .optional()
          .describe('Roles of which a revision needs one ready pod each; at least one, none twice.'),
      })
      .optional()
      .describe('Required unless the mode is disabled.'),
  })
  .superRefine(({ mode, requireRoles }, context) => {
    if (mode === 'disabled') return;
    const roles = requireRoles?.values ?? [];
    const refuse = (path: string[], message: string) =>
      context.addIssue({ code: 'custom', path: ['requireRoles', ...path], message });
    if (requireRoles === undefined) refuse([], 'must be set, except in mode disabled');
    else if (roles.length === 0) refuse(['values'], 'must name a role, except in mode disabled');
    else if (roles.includes('')) refuse(['values'], 'a role is empty');
    else if (!isUnique(roles)) refuse(['values'], 'a role is listed twice');
  });

/** Parameters of `disaggregatedset-rollout-screener`. */
export const params = z.strictObject({
  scope: z
    .strictObject({
      labelSelector: labelSelector.describe('Kubernetes label selector of the pods of the set.'),
    })
    .describe('Which pods belong to the set.'),
  headerSelectors: z
    .array(headerSelector)
    .default([])
    .refine((list) => isUnique(list.map(({ name }) => name)), 'two selectors have the same name')
    .refine(
      (list) => isUnique(list.map(({ headerName }) => headerName.toLowerCase())),
      'two selectors have the same headerName',
    )
    .describe('Headers that bind requests to endpoints by a label.'),
  revisionGating: revisionGating.describe('Which revisions may be used, and in what proportion.'),
});

/** As the schema gives them. */
export type Params = z.infer<typeof params>;

function isUnique(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}
