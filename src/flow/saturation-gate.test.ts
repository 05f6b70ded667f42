import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../test/support/builders.ts';
import { SaturationGate } from './saturation-gate.ts';

test.each([
  { priority: 0, saturation: 5, isAdmitted: true },
  { priority: 3, saturation: 5, isAdmitted: true },
  { priority: -1, saturation: 0.99, isAdmitted: true },
  { priority: -1, saturation: 1, isAdmitted: false },
  { priority: -1, saturation: 2, isAdmitted: false },
])('priority $priority at saturation $saturation: admitted $isAdmitted', (row) => {
  const gate = new SaturationGate({ saturation: () => row.saturation }, context().clock);
  const admit = () => gate.admit(request({ priority: row.priority }), [endpoint()]);
  if (row.isAdmitted) expect(admit).not.toThrow();
  else {
    expect(admit).toThrow(
      expect.objectContaining({ code: 'resource-exhausted', reason: 'rejected-saturated', httpStatus: 429 }),
    );
  }
});

test('non-sheddable requests never ask the detector', () => {
  let asked = 0;
  const gate = new SaturationGate({ saturation: () => ++asked }, context().clock);
  gate.admit(request({ priority: 0 }), [endpoint()]);
  expect(asked).toBe(0);
});
