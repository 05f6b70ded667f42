import { expect, test } from 'vitest';
import { context } from '../../../test/support/builders.ts';
import { endpointNotificationSource } from './endpoint-notification-source.ts';

test('tells of endpoints', () => {
  expect(endpointNotificationSource.create({}, context())).toEqual({ events: 'endpoints' });
});
