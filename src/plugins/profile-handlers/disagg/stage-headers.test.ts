import { describe, expect, test } from 'vitest';
import { endpoint, request } from '../../../../test/support/builders.ts';
import { writeStageHeaders } from './stage-headers.ts';

describe('headers of the other stages', () => {
  const at = (address: string) => endpoint({ address });
  const ran = (...targets: ReturnType<typeof at>[]) => ({
    targets,
    candidates: targets,
    totals: new Float64Array(1),
  });
  const inbound = { 'x-prefiller-host-port': '6.6.6.6:1', 'x-encoder-hosts-ports': '6.6.6.6:2' };

  test.each([
    { id: 'D27', stages: { prefill: ran(at('10.0.0.5'), at('10.0.0.6')) }, prefiller: '10.0.0.5:8000' },
    { id: 'D27 IPv6', stages: { prefill: ran(at('fd00::1')) }, prefiller: '[fd00::1]:8000' },
    { id: 'D28', stages: {} },
    {
      id: 'D29',
      stages: { encode: ran(at('10.0.0.7'), at('fd00::8')) },
      encoders: '10.0.0.7:8000,[fd00::8]:8000',
    },
    { id: 'D20 no header', stages: { encode: ran() } },
  ])('$id', ({ stages, prefiller, encoders }) => {
    const one = request({ headers: inbound });
    writeStageHeaders(one.headers, { prefill: undefined, encode: undefined, ...stages });
    expect(one.headers.get('x-prefiller-host-port')).toBe(prefiller);
    expect(one.headers.get('x-encoder-hosts-ports')).toBe(encoders);
    const removed = [
      ...(prefiller === undefined ? ['x-prefiller-host-port'] : []),
      ...(encoders === undefined ? ['x-encoder-hosts-ports'] : []),
    ];
    expect(one.headers.removedNames).toEqual(removed);
  });
});
