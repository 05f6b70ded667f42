import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { multiclusterSessionAffinityFilter } from './multicluster-session-affinity-filter.ts';

const clusters = [endpoint({ name: 'east' }), endpoint({ name: 'west' })];

function kept(headers: Record<string, string>, candidates = clusters): string[] {
  const params = multiclusterSessionAffinityFilter.params.parse({});
  const filter = multiclusterSessionAffinityFilter.create(params, context());
  return filter.filter(request({ headers }), candidates).map((one) => one.name);
}

const token = (id: string) => ({ 'x-session-token': Buffer.from(id).toString('base64') });

test('multicluster-session-affinity-filter: the token pins the cluster, if it is a candidate', () => {
  expect(kept(token('default/west'))).toEqual(['west']);
  expect(kept(token('default/north'))).toEqual(['east', 'west']);
  expect(kept({})).toEqual(['east', 'west']);
});
