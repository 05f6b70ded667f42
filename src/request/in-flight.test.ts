import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endpoint, request } from '../../test/support/builders.ts';
import { InFlight } from './in-flight.ts';

test('counts are exact under any order of holds and releases', () => {
  const act = fc.record({ request: fc.nat(4), endpoint: fc.nat(2), isRelease: fc.boolean() });
  fc.assert(
    fc.property(fc.array(act), (acts) => {
      const inFlight = new InFlight();
      const endpoints = [endpoint(), endpoint(), endpoint()];
      const requests = Array.from({ length: 5 }, () => request());
      for (const step of acts) {
        const one = requests[step.request];
        const target = endpoints[step.endpoint];
        if (one === undefined || target === undefined) continue;
        if (step.isRelease) inFlight.release(one);
        else inFlight.hold(one, target);
      }
      for (const target of endpoints) {
        expect(target.inFlightRequests).toBe(requests.filter((one) => one.heldEndpoint === target).length);
      }
      expect(inFlight.held).toBe(requests.filter((one) => one.heldEndpoint !== undefined).length);
      for (const one of requests) inFlight.release(one);
      expect(inFlight.held).toBe(0);
    }),
  );
});
