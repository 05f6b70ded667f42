import { once } from 'node:events';
import { createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import { GrpcJsTransport } from '../../src/extproc/transport/grpc-js.ts';
import type { TransportOptions } from '../../src/extproc/transport/transport.ts';
import { WireTransport } from '../../src/extproc/transport/wire/transport.ts';
import { systemClock } from '../../src/util/clock.ts';
import { EXPLAINED, NOT_RUN } from '../conformance/h2spec-explained.ts';
import { EchoMethod } from '../support/echo-method.ts';
import { findH2spec, type H2specResult, parseReport, runH2spec } from '../support/h2spec.ts';
import { serveTransport } from '../support/transport-server.ts';

/** All sections but those of `NOT_RUN`; a section that is named includes those below it, so its cases are named. */
const SECTIONS = [
  ...['generic', 'hpack', 'http2/3', 'http2/4', 'http2/5.1.1', 'http2/5.3', 'http2/5.4', 'http2/5.5'],
  ...Array.from({ length: 13 }, (_, i) => `http2/5.1/${i + 1}`),
  ...['http2/6', 'http2/7', 'http2/8'],
];

/**
 * Five such fields exceed every SETTINGS_MAX_FRAME_SIZE here also when they are Huffman-coded; the length that h2spec
 * has by default exceeds only the smallest.
 */
const LONG_HEADERS = { sections: ['http2/4.2'], headerBytes: 20_000 };

const RUN_TIMEOUT_MS = 180_000;

const OPTIONS: TransportOptions = {
  methods: new Map([['/test.Echo/Echo', new EchoMethod().open]]),
  maxReceiveBytes: 1 << 20,
};

const program = await findH2spec();

test('a report is read', () => {
  const xml = `<testsuite><testcase package="a/1" classname="x" time="0.1"></testcase>
    <testcase package="a/1" classname="y"><failure>Expect:&#xA;GOAWAY&#xA;Actual:&#xA;Timeout</failure></testcase>
    <testcase package="a/1.2" classname="z"><skipped></skipped></testcase>
    <testcase package="a/1.2" classname="w"><error>broken</error></testcase></testsuite>`;
  expect(parseReport(xml)).toEqual({
    passed: ['a/1/1'],
    failed: new Map([
      ['a/1/2', 'y: Expect: GOAWAY Actual: Timeout'],
      ['a/1.2/2', 'w: broken'],
    ]),
    skipped: ['a/1.2/1'],
  });
});

describe.skipIf(program === undefined)('h2spec', () => {
  let wire: H2specResult;
  let grpcJs: H2specResult;
  let node: H2specResult;

  // Most of the time is spent in waiting for answers that do not come, so they run at once.
  beforeAll(async () => {
    const h2spec = program ?? '';
    [wire, grpcJs, node] = await Promise.all([
      ofTransport(h2spec, new WireTransport(OPTIONS, systemClock)),
      ofTransport(h2spec, new GrpcJsTransport(OPTIONS)),
      ofNode(h2spec),
    ]);
  }, RUN_TIMEOUT_MS);

  test('wire fails only what is explained, and nothing is explained that it passes', () => {
    const unexplained = [...wire.failed].filter(([id]) => !EXPLAINED.has(id));
    expect(unexplained).toEqual([]);
    expect([...EXPLAINED.keys()].filter((id) => !wire.failed.has(id))).toEqual([]);
  });

  test('wire fails fewer than node:http2 and than grpc-js', () => {
    expect(wire.failed.size).toBeLessThan(node.failed.size);
    expect(wire.failed.size).toBeLessThan(grpcJs.failed.size);
  });

  test('wire fails nothing that grpc-js passes', () => {
    expect([...wire.failed].filter(([id]) => grpcJs.passed.includes(id))).toEqual([]);
  });

  test('wire finds no less to test than grpc-js', () => {
    expect(wire.skipped.filter((id) => !grpcJs.skipped.includes(id))).toEqual([]);
  });

  test('all cases are run but those that cannot be', () => {
    const run = new Set(ids(wire));
    const left = ids(node).filter((id) => !run.has(id));
    expect(left.map((id) => id.slice(0, id.lastIndexOf('/')))).toEqual([...NOT_RUN]);
    expect(run.size).toBeGreaterThan(100);
  });
});

function ids({ passed, failed, skipped }: H2specResult): string[] {
  return [...passed, ...failed.keys(), ...skipped];
}

async function ofTransport(
  h2spec: string,
  transport: WireTransport | GrpcJsTransport,
): Promise<H2specResult> {
  await using server = await serveTransport(transport);
  return await runAll(h2spec, server.port, SECTIONS);
}

/** Cases that were run with longer headers too count as they went then. */
async function runAll(h2spec: string, port: number, sections: readonly string[]): Promise<H2specResult> {
  const long = await runH2spec(h2spec, port, LONG_HEADERS);
  const all = await runH2spec(h2spec, port, { sections });
  const isAgain = new Set(ids(long));
  return {
    passed: [...long.passed, ...all.passed.filter((id) => !isAgain.has(id))],
    failed: new Map([...long.failed, ...[...all.failed].filter(([id]) => !isAgain.has(id))]),
    skipped: [...long.skipped, ...all.skipped.filter((id) => !isAgain.has(id))],
  };
}

/** A plain server of Node.js that answers every request with a few bytes. */
async function ofNode(h2spec: string): Promise<H2specResult> {
  const server = createServer((request, response) => {
    request.resume();
    response.end('here');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo; // a listening TCP server has one
    return await runAll(h2spec, port, []);
  } finally {
    server.close();
  }
}
