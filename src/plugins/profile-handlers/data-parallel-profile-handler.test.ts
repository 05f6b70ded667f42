import { expect, test } from 'vitest';
import { context, endpoint, request } from '../../../test/support/builders.ts';
import { dataParallelProfileHandler } from './data-parallel-profile-handler.ts';

function create(raw: object = {}, ctx = context()) {
  return dataParallelProfileHandler.create(dataParallelProfileHandler.params.parse(raw), ctx);
}

const rank = (address: string, port: number) => endpoint({ address, port });

test.each([
  {
    id: 'D36',
    raw: { primaryPort: 9000 },
    targets: [['10.0.0.1', 8003]],
    want: '10.0.0.1:9000',
    header: '10.0.0.1:8003',
  },
  {
    id: 'the default port',
    raw: {},
    targets: [['10.0.0.1', 8003]],
    want: '10.0.0.1:8000',
    header: '10.0.0.1:8003',
  },
  { id: 'IPv6', raw: {}, targets: [['fd00::1', 8003]], want: '[fd00::1]:8000', header: '[fd00::1]:8003' },
  {
    id: 'several pods',
    raw: {},
    targets: [
      ['10.0.0.1', 8003],
      ['10.0.0.2', 8001],
    ],
    want: '10.0.0.1:8000,10.0.0.2:8000',
    header: '10.0.0.1:8003',
  },
  {
    id: 'several ranks of a pod',
    raw: {},
    targets: [
      ['10.0.0.1', 8003],
      ['10.0.0.1', 8001],
    ],
    want: '10.0.0.1:8000',
    header: '10.0.0.1:8003',
  },
  {
    id: 'port 0',
    raw: { primaryPort: 0 },
    targets: [['10.0.0.1', 8003]],
    want: undefined,
    header: undefined,
  },
] satisfies readonly {
  id: string;
  raw: object;
  targets: readonly (readonly [string, number])[];
  want: string | undefined;
  header: string | undefined;
}[])('data-parallel-profile-handler: $id', ({ raw, targets, want, header }) => {
  const handler = create(raw);
  const endpoints = targets.map(([address, port]) => rank(address, port));
  const ran = { targets: endpoints, candidates: endpoints, totals: new Float64Array(endpoints.length) };
  const one = request({ headers: { 'x-data-parallel-host-port': '6.6.6.6:1' } });
  const result = handler.process(one, new Map([['p', ran]]));
  // the ranks, their candidates and totals stay
  expect(result.profiles.get(result.primary)).toBe(ran);
  expect(result.destination).toBe(want);
  handler.preRequest(one, result);
  expect(one.headers.get('x-data-parallel-host-port')).toBe(header);
});

test.each([
  { id: 'D37', primaryPort: 0, isAccepted: true },
  { id: 'D37', primaryPort: 1, isAccepted: true },
  { id: 'D37', primaryPort: 65_535, isAccepted: true },
  { id: 'D37', primaryPort: -1, isAccepted: false },
  { id: 'D37', primaryPort: 65_536, isAccepted: false },
  { id: 'D37', primaryPort: '8000', isAccepted: false },
])('data-parallel-profile-handler: $id primaryPort $primaryPort', ({ primaryPort, isAccepted }) => {
  expect(dataParallelProfileHandler.params.safeParse({ primaryPort }).success).toBe(isAccepted);
});

test('data-parallel-profile-handler: port 0 is told when it starts', () => {
  for (const [primaryPort, warnings] of [
    [0, 1],
    [8000, 0],
  ]) {
    const ctx = context();
    create({ primaryPort }, ctx);
    expect(ctx.log.lines.filter(({ level }) => level === 'warn')).toHaveLength(warnings ?? Number.NaN);
  }
});

test.each([
  { id: 'D38 two profiles', names: ['p', 'q'], want: [] },
  { id: 'D38 none', names: [], want: [] },
  { id: 'one profile', names: ['p'], want: ['p'] },
])('data-parallel-profile-handler: $id', ({ names, want }) => {
  expect(create().pick(request(), names, new Map())).toEqual(want);
});

test('data-parallel-profile-handler: its profile runs once, and its failure is an error', () => {
  const failed = new Map([['p', undefined]]);
  expect(create().pick(request(), ['p'], failed)).toEqual([]);
  expect(() => create().process(request(), failed)).toThrow("failed to run scheduler profile 'p'");
  expect(() => create().process(request(), new Map())).toThrow('runs one profile, got 0');
});
