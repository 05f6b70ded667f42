import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import type { ProfileResult } from '../../framework/profile-handler.ts';
import { singleProfileHandler } from './single-profile-handler.ts';

const handler = singleProfileHandler.create({}, context());
const result: ProfileResult = { targets: [endpoint()], candidates: [], totals: new Float64Array() };

test('single-profile-handler: asks for its profile once', () => {
  expect(handler.pick(request(), ['default'], new Map())).toEqual(['default']);
  expect(handler.pick(request(), ['default'], new Map([['default', undefined]]))).toEqual([]);
});

test('single-profile-handler: its profile is primary, whatever its name', () => {
  fc.assert(
    fc.property(fc.string(), (name) => {
      const { profiles, primary } = handler.process(request(), new Map([[name, result]]));
      expect(primary).toBe(name);
      expect(profiles.get(name)).toBe(result);
    }),
  );
});

test.each([
  {
    name: 'D42 a failed profile',
    results: new Map([['p', undefined]]),
    message: "failed to run scheduler profile 'p'",
  },
  {
    name: 'D42 two profiles',
    results: new Map([
      ['p', result],
      ['q', result],
    ]),
    message:
      'single profile handler is intended to be used with a single profile, failed to process multiple profiles',
  },
])('single-profile-handler: $name is an error', ({ results, message }) => {
  expect(() => handler.process(request(), results)).toThrow(message);
});
