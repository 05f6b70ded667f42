import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { PROCESS_PATH } from '../../src/extproc/codec.ts';
import { describeOptions, parseOptions } from '../../src/util/command-options.ts';
import { callHeaderBlocks } from './frames.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { prepare } from './messages.ts';
import { endWithParent, report } from './report.ts';
import { type Tally, Workload } from './workload.ts';

const OPTIONS = {
  target: {
    type: 'string',
    default: '127.0.0.1:9002',
    value: 'HOST:PORT',
    doc: 'Ext-proc server.',
  },
  tls: { type: 'boolean', default: false, doc: 'Talk TLS; the certificate is not verified.' },
  connections: { type: 'integer', default: 1, min: 1, doc: 'Connections to spread requests over.' },
  'in-flight': {
    type: 'integer',
    default: 32,
    min: 1,
    doc: 'Closed loop: requests in flight at all times.',
  },
  rate: { type: 'number', default: 0, min: 0, doc: 'Open loop: requests a second; 0 is the closed loop.' },
  'prompt-bytes': { type: 'integer', default: 1000, min: 1, doc: 'Size of a request body.' },
  'body-chunk-bytes': { type: 'integer', default: 65_536, min: 1, doc: 'Pieces in which it is sent.' },
  chunks: { type: 'integer', default: 1, min: 1, doc: 'Chunks of a response body; more than 1 is a stream.' },
  'chunk-gap-ms': {
    type: 'number',
    default: 0,
    min: 0,
    doc: 'Time between two chunks; 0 sends all at once.',
  },
  turns: {
    type: 'integer',
    default: 1,
    min: 1,
    doc: 'Requests of a conversation, each longer by the prompt size.',
  },
  hold: {
    type: 'integer',
    default: 0,
    min: 0,
    doc: 'Instead of measuring: keep that many requests open after the first chunk of their responses.',
  },
  'warm-up-s': { type: 'number', default: 2, min: 0, doc: 'Time before measuring.' },
  'duration-s': { type: 'number', default: 5, min: 0.1, doc: 'Time measured.' },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

async function open(target: string, isTls: boolean): Promise<GrpcConnection> {
  const colon = target.lastIndexOf(':');
  const address = { host: target.slice(0, colon), port: Number(target.slice(colon + 1)) };
  let socket: Socket;
  if (isTls) {
    socket = connectTls({ ...address, ALPNProtocols: ['h2'], rejectUnauthorized: false });
    await once(socket, 'secureConnect');
  } else {
    socket = connect(address);
    await once(socket, 'connect');
  }
  socket.on('error', (error) => lost(error.message));
  socket.on('close', () => lost('closed by the server'));
  return new GrpcConnection(socket, callHeaderBlocks(PROCESS_PATH, target, isTls ? 'https' : 'http'));
}

/** A load on a part of the connections is not the load that was asked for. */
function lost(why: string): never {
  process.stderr.write(`connection lost: ${why}\n`);
  process.exit(1);
}

/** Value below which `share` of the sorted values lie; NaN of none. */
function quantile(sorted: Float64Array, share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function summary(tally: Tally, seconds: number, cpuMs: number): object {
  const latencies = Float64Array.from(tally.latenciesMs).sort();
  return {
    event: 'end',
    seconds,
    completed: tally.completed,
    rejected: tally.rejected,
    failed: tally.failed,
    requestsPerSecond: tally.completed / seconds,
    latencyMs: {
      p50: quantile(latencies, 0.5),
      p99: quantile(latencies, 0.99),
      p999: quantile(latencies, 0.999),
      max: latencies.at(-1) ?? Number.NaN,
    },
    clientCpuMs: cpuMs,
  };
}

async function main(argv: readonly string[]): Promise<void> {
  const options = parseOptions(OPTIONS, argv);
  if (options.help) {
    process.stdout.write('node bench/load/client.ts: load for an ext-proc server\n\n');
    process.stdout.write(describeOptions(OPTIONS));
    return;
  }
  endWithParent();
  const connections = await Promise.all(
    Array.from({ length: options.connections }, () => open(options.target, options.tls)),
  );
  const turns = prepare({
    promptBytes: options.promptBytes,
    bodyChunkBytes: options.bodyChunkBytes,
    responseChunks: options.chunks,
    turns: options.turns,
  });
  const workload = new Workload(connections, turns, {
    inFlight: options.inFlight,
    ratePerSecond: options.rate,
    chunkGapMs: options.chunkGapMs,
    hold: options.hold,
  });
  workload.start();
  if (options.hold > 0) {
    await workload.allHeld;
    report({ event: 'held' });
    if (process.send !== undefined) await once(process, 'message');
    report({ event: 'still-open', count: connections.reduce((sum, { openCalls }) => sum + openCalls, 0) });
    process.exit(0);
  }
  await sleep(options.warmUpS * 1000);
  workload.tally.reset();
  const startMs = performance.now();
  const cpu = process.cpuUsage();
  report({ event: 'start' });
  await sleep(options.durationS * 1000);
  const used = process.cpuUsage(cpu);
  report(summary(workload.tally, (performance.now() - startMs) / 1000, (used.user + used.system) / 1000));
  workload.stop();
  // the parent reads its last numbers before the server sees the connections close
  if (process.send !== undefined) await once(process, 'message');
  process.exit(0);
}

await main(process.argv.slice(2));
