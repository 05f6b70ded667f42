import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EndpointsFileError, parseEndpointsDocument } from './document.ts';

/** One entry with what is given over a complete one. */
function entry(members: string): string {
  return `endpoints:\n- name: a\n${members
    .split('\n')
    .map((line) => `  ${line}\n`)
    .join('')}`;
}

test('a complete file', () => {
  const text = `
endpoints:
- name: vllm-0
  namespace: lab
  address: "10.0.0.1"
  port: "8000"
  labels: {llm-d.ai/role: decode, rank: 1, empty: }
- name: vllm-1
  address: 2001:db8::1
  port: 8000
  nodeAddress: 192.168.0.1
  metricsAddress: 10.9.9.9
  metricsPort: 9100
  anything: else
objectives:
- {name: interactive, priority: 10}
- {name: batch, priority: "-5"}
- {name: plain}
unknown: 1
`;
  expect(parseEndpointsDocument(text)).toEqual({
    endpoints: [
      {
        id: 'lab/vllm-0',
        namespace: 'lab',
        name: 'vllm-0',
        address: '10.0.0.1',
        port: 8000,
        nodeAddress: '',
        metricsHost: '10.0.0.1:8000',
        labels: new Map([
          ['llm-d.ai/role', 'decode'],
          ['rank', '1'],
          ['empty', ''],
        ]),
        rankIndex: 0,
      },
      {
        id: 'default/vllm-1',
        namespace: 'default',
        name: 'vllm-1',
        address: '2001:db8::1',
        port: 8000,
        nodeAddress: '192.168.0.1',
        metricsHost: '10.9.9.9:9100',
        labels: new Map(),
        rankIndex: 0,
      },
    ],
    objectives: new Map([
      ['interactive', 10],
      ['batch', -5],
      ['plain', 0],
    ]),
    problems: [],
    repeated: [],
  });
});

test('JSON', () => {
  const text = JSON.stringify({ endpoints: [{ name: 'a', address: '::1', port: '1', metricsPort: 2 }] });
  expect(parseEndpointsDocument(text).endpoints[0]).toMatchObject({
    id: 'default/a',
    metricsHost: '[::1]:2',
  });
});

test('anchors and aliases', () => {
  const text =
    'endpoints:\n- &x {name: a, address: h, port: 1, labels: &l {k: v}}\n- {name: b, address: h, port: 2, labels: *l}\n';
  const [, second] = parseEndpointsDocument(text).endpoints;
  expect(second?.labels).toEqual(new Map([['k', 'v']]));
});

describe('addresses', () => {
  test.each([
    ['10.0.0.1', '10.0.0.1'],
    ['"[2001:db8::1]"', '2001:db8::1'],
    ['2001:db8::1', '2001:db8::1'],
    ['vllm-0.vllm.lab.svc.cluster.local', 'vllm-0.vllm.lab.svc.cluster.local'],
    ['localhost', 'localhost'],
    ['vllm.', 'vllm.'],
  ])('%s', (text, want) => {
    const { endpoints, problems } = parseEndpointsDocument(entry(`address: ${text}\nport: 1`));
    expect(problems).toEqual([]);
    expect(endpoints[0]?.address).toBe(want);
  });
});

describe('entries that are left out', () => {
  test.each([
    { members: 'port: 1', message: 'endpoint "a": address is missing' },
    { members: 'address: h', message: 'endpoint "a": port is missing' },
    { members: 'address: 10.0.0.256\nport: 1', message: /invalid address "10.0.0.256"/ },
    { members: 'address: "[10.0.0.1]"\nport: 1', message: /invalid address/ },
    { members: 'address: a_b\nport: 1', message: /invalid address "a_b"/ },
    { members: 'address: http://h\nport: 1', message: /invalid address/ },
    { members: 'address: h\nport: 0', message: /invalid port "0", want 1 to 65535/ },
    { members: 'address: h\nport: 65536', message: /invalid port/ },
    { members: 'address: h\nport: 80.5', message: /invalid port "80.5"/ },
    { members: 'address: h\nport: 0x50', message: /invalid port "0x50"/ },
    { members: 'address: h\nport: [1]', message: /invalid port, want a text/ },
    { members: 'address: h\nport: 1\nnamespace: a/b', message: /invalid name "a\/b"/ },
    { members: 'address: h\nport: 1\nlabels: [a]', message: /invalid labels/ },
    { members: 'address: h\nport: 1\nlabels: {a: [b]}', message: /invalid labels/ },
    { members: 'address: h\nport: 1\nnodeAddress: "no way"', message: /invalid nodeAddress/ },
    { members: 'address: h\nport: 1\nmetricsAddress: "no way"', message: /invalid metricsAddress/ },
    { members: 'address: h\nport: 1\nmetricsPort: x', message: /invalid metricsPort "x"/ },
  ])('$message', ({ members, message }) => {
    const { endpoints, problems } = parseEndpointsDocument(entry(members));
    expect(endpoints).toEqual([]);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ line: 2 });
    expect(problems[0]?.message).toMatch(message);
  });

  test('good entries beside them stay, each problem has its line', () => {
    const text = `endpoints:
- {name: good, address: h, port: 1}
- nothing
- {address: h, port: 1}
- {name: bad, address: h, port: x}
- {name: "", address: h, port: 1}
objectives:
- {name: o, priority: 1.5}
- {name: p, priority: 3000000000}
- {priority: 1}
`;
    const { endpoints, objectives, problems } = parseEndpointsDocument(text);
    expect(endpoints.map((endpoint) => endpoint.id)).toEqual(['default/good']);
    expect(objectives.size).toBe(0);
    expect(problems).toEqual([
      { line: 3, message: 'endpoint: want a mapping', id: undefined },
      { line: 4, message: 'endpoint: name is missing', id: undefined },
      { line: 5, message: 'endpoint "bad": invalid port "x", want 1 to 65535', id: 'default/bad' },
      { line: 6, message: 'endpoint "": name is missing', id: 'default/' },
      { line: 8, message: 'objective "o": invalid priority "1.5", want a 32-bit integer', id: 'objective/o' },
      {
        line: 9,
        message: 'objective "p": invalid priority "3000000000", want a 32-bit integer',
        id: 'objective/p',
      },
      { line: 10, message: 'objective: name is missing', id: undefined },
    ]);
  });

  test('of two with one identity the last counts', () => {
    const text =
      'endpoints:\n- {name: a, address: h, port: 1}\n- {name: b, address: h, port: 2}\n- {name: a, address: h, port: 3}\n';
    const { endpoints, repeated } = parseEndpointsDocument(text);
    expect(endpoints.map((endpoint) => [endpoint.id, endpoint.port])).toEqual([
      ['default/b', 2],
      ['default/a', 3],
    ]);
    expect(repeated).toMatchObject([{ line: 4, id: 'default/a' }]);
  });
});

test.each([
  { text: '', message: /got no mapping/ },
  { text: '# only a comment', message: /got no mapping/ },
  { text: 'just text', message: /got no mapping/ },
  { text: '- a', message: /got no mapping/ },
  { text: 'objectives: []', message: /there is no list "endpoints"/ },
  { text: 'endpoints:', message: /there is no list "endpoints"/ },
  { text: 'x: 1\nendpoints: {a: b}', message: /line 2: "endpoints" is no list/ },
  { text: 'endpoints: []\nobjectives: x', message: /line 2: "objectives" is no list/ },
  { text: 'endpoints: [\n{name: a', message: /line 2/ },
  { text: 'a: 1\na: 2\nendpoints: []', message: /line 2/ },
])('unusable file %j', ({ text, message }) => {
  expect(() => parseEndpointsDocument(text)).toThrow(EndpointsFileError);
  expect(() => parseEndpointsDocument(text)).toThrow(message);
});

test('an empty list is a pool without endpoints', () => {
  expect(parseEndpointsDocument('endpoints: []').endpoints).toEqual([]);
});

test('aliases cannot multiply', () => {
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${['b', 'c', 'd', 'e', 'f']
    .map((name, i) => `${name}: &${name} [${Array(10).fill(`*${'abcdef'[i]}`).join(',')}]`)
    .join('\n')}\nendpoints: []\n`;
  expect(() => parseEndpointsDocument(bomb)).toThrow(EndpointsFileError);
});

test('any text is read or refused with the file error', () => {
  const pieces = fc.constantFrom(
    'endpoints:',
    '\n',
    '- ',
    '  ',
    'name: a',
    'port: 1',
    '{',
    '}',
    '[',
    '*x',
    '&x',
    '"',
    '|',
    ': ',
    '\t',
    '#',
    'objectives: ',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(pieces).map((parts) => parts.join('')),
      ),
      (text) => {
        try {
          parseEndpointsDocument(text);
        } catch (error) {
          expect(error).toBeInstanceOf(EndpointsFileError);
        }
      },
    ),
    { numRuns: 1_000 },
  );
});
