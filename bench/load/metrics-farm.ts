import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describeOptions, parseOptions } from '../../src/util/command-options.ts';
import { endWithParent, report } from './report.ts';

/** Serves the metrics page of many model servers at next to no cost: one prepared answer, no HTTP parser. */
const OPTIONS = {
  endpoints: { type: 'integer', default: 100, min: 1, max: 10_000, doc: 'Ports to serve a page on.' },
  page: {
    type: 'string',
    default: fileURLToPath(new URL('../../test/fixtures/vllm-0.32.0/metrics-idle.txt', import.meta.url)),
    value: 'FILE',
    doc: 'Page to serve.',
  },
  help: { type: 'boolean', default: false, doc: 'Show this text.' },
} as const;

const END_OF_REQUEST = Buffer.from('\r\n\r\n');

let pages = 0;

function listen(answer: Buffer): Server {
  return createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    socket.on('data', (bytes: Buffer) => {
      // a client sends its next request after this answer, so a request never comes in parts worth counting
      for (let at = bytes.indexOf(END_OF_REQUEST); at >= 0; at = bytes.indexOf(END_OF_REQUEST, at + 1)) {
        pages += 1;
        socket.write(answer);
      }
    });
  }).listen(0, '127.0.0.1');
}

async function start(count: number, page: Buffer): Promise<void> {
  const head = `HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4; charset=utf-8\r\ncontent-length: ${page.length}\r\n\r\n`;
  const answer = Buffer.concat([Buffer.from(head), page]);
  const ports: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const server = listen(answer);
    await once(server, 'listening');
    ports.push((server.address() as AddressInfo).port); // it listens on TCP
  }
  process.on('message', () => report({ event: 'pages', pages }));
  report({ event: 'listening', ports, pageBytes: page.length });
}

const options = parseOptions(OPTIONS, process.argv.slice(2));
if (options.help) {
  process.stdout.write('node bench/load/metrics-farm.ts: the metrics pages of many model servers\n\n');
  process.stdout.write(describeOptions(OPTIONS));
} else {
  endWithParent();
  await start(options.endpoints, readFileSync(options.page));
}
