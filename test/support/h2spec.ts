import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CACHE_FOLDER, isProgram, PATH_FOLDERS } from './programs.ts';

/** Module of Go whose only purpose is to name the version of h2spec. */
const MODULE_FOLDER = fileURLToPath(new URL('../h2spec', import.meta.url));
const PACKAGE = 'github.com/summerwind/h2spec/cmd/h2spec';

/** Where a built h2spec is kept: by version, as it is built once. */
const CACHED = join(CACHE_FOLDER, 'h2spec-2.2.1');

/** Go's own installation puts nothing on the PATH. */
const GO_FOLDERS = ['/usr/local/go/bin', '/usr/lib/go/bin'];

/** A run of the last case is over after its timeouts; what takes longer than this hangs. */
const RUN_LIMIT_MS = 120_000;

/** Ids of cases such as `http2/5.1/8`: section and number within it. */
export interface H2specResult {
  readonly passed: readonly string[];
  /** By id: what was wanted and what came, as h2spec says it. */
  readonly failed: ReadonlyMap<string, string>;
  /** Cases that found nothing to test. */
  readonly skipped: readonly string[];
}

/**
 * h2spec of this machine: on the PATH, built before, or built now; undefined, and a line on stderr, when there is no Go
 * or it cannot fetch the module.
 */
export async function findH2spec(): Promise<string | undefined> {
  const found = [...PATH_FOLDERS.map((folder) => join(folder, 'h2spec')), CACHED].find(isProgram);
  if (found !== undefined) return found;
  const go = [...PATH_FOLDERS, ...GO_FOLDERS].map((folder) => join(folder, 'go')).find(isProgram);
  if (go === undefined) {
    process.stderr.write(
      'neither h2spec nor Go found, its tests are skipped; to run them install Go 1.24 or later\n',
    );
    return undefined;
  }
  return await build(go);
}

async function build(go: string): Promise<string | undefined> {
  await mkdir(CACHE_FOLDER, { recursive: true });
  const folder = await mkdtemp(`${CACHED}-`);
  try {
    const program = join(folder, 'h2spec');
    const { code, output } = await execute(go, [
      'build',
      '-mod=readonly',
      '-trimpath',
      '-o',
      program,
      PACKAGE,
    ]);
    if (code !== 0) {
      process.stderr.write(`h2spec cannot be built, its tests are skipped:\n${output}\n`);
      return undefined;
    }
    await rename(program, CACHED); // at once, also for another run that builds it
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return CACHED;
}

/** What h2spec is to run. */
export interface H2specRun {
  /** Such as `http2/5.1`; all of it when there are none. */
  readonly sections: readonly string[];
  /** Bytes of each of the five fields in a long header list, before Huffman coding. */
  readonly headerBytes?: number;
}

/** Runs h2spec, its strict cases too, against a plaintext server on loopback. */
export async function runH2spec(program: string, port: number, run: H2specRun): Promise<H2specResult> {
  const { sections, headerBytes = 4000 } = run;
  const folder = await mkdtemp(join(tmpdir(), 'epp-test-h2spec-'));
  try {
    const report = join(folder, 'report.xml');
    const flags = ['--host', '127.0.0.1', '--port', String(port), '--strict', '--junit-report', report];
    const lengths = ['--max-header-length', String(headerBytes)];
    const { code, output } = await execute(program, [...flags, ...lengths, ...sections]);
    if (code !== 0 && code !== 1) throw new Error(`h2spec ended with ${code}:\n${output}`);
    return parseReport(await readFile(report, 'utf8'));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** A report in the form of JUnit; cases of a section are numbered in its order. */
export function parseReport(xml: string): H2specResult {
  const passed: string[] = [];
  const failed = new Map<string, string>();
  const skipped: string[] = [];
  const counts = new Map<string, number>();
  const cases = /<testcase package="([^"]*)" classname="([^"]*)"[^>]*?(?:\/>|>([\s\S]*?)<\/testcase>)/g;
  for (const [, section = '', what, outcome = ''] of xml.matchAll(cases)) {
    const number = (counts.get(section) ?? 0) + 1;
    counts.set(section, number);
    const id = `${section}/${number}`;
    if (/<(failure|error)/.test(outcome)) failed.set(id, `${what}: ${textOf(outcome)}`);
    else if (/<skipped/.test(outcome)) skipped.push(id);
    else passed.push(id);
  }
  return { passed, failed, skipped };
}

function textOf(xml: string): string {
  const text = xml.replaceAll(/<[^>]*>|<!\[CDATA\[|\]\]>/g, ' ').replaceAll('&#xA;', ' ');
  return text.replaceAll(/\s+/g, ' ').trim();
}

interface Executed {
  /** Null when it was killed. */
  readonly code: number | null;
  readonly output: string;
}

async function execute(program: string, args: readonly string[]): Promise<Executed> {
  const child = spawn(program, args, {
    cwd: MODULE_FOLDER,
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: RUN_LIMIT_MS,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}
