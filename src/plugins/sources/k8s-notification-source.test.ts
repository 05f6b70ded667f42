import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { k8sNotificationSource } from './k8s-notification-source.ts';

test.each([
  { given: { version: 'v1', kind: 'Pod' }, events: { group: '', version: 'v1', kind: 'Pod' } },
  {
    given: { group: 'apps', version: 'v1', kind: 'Deployment' },
    events: { group: 'apps', version: 'v1', kind: 'Deployment' },
  },
])('tells of objects of $events', ({ given, events }) => {
  const params = k8sNotificationSource.params.parse(given);
  expect(k8sNotificationSource.create(params, context())).toEqual({ events });
});

test.each([
  { name: 'no kind', given: { version: 'v1' }, message: /kind/ },
  { name: 'no version', given: { kind: 'Pod' }, message: /version/ },
  { name: 'an empty kind', given: { version: 'v1', kind: '' }, message: /want a kind/ },
  {
    name: 'a path for a version',
    given: { version: 'v1/pods', kind: 'Pod' },
    message: /want an API version/,
  },
  { name: 'a group with a slash', given: { group: 'a/b', version: 'v1', kind: 'Pod' }, message: /API group/ },
  { name: 'an unknown member', given: { version: 'v1', kind: 'Pod', namespace: 'a' }, message: /namespace/ },
])('$name is refused', ({ given, message }) => {
  expect(() => k8sNotificationSource.params.parse(given)).toThrow(message);
});
