import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { BOUNDED } from '../support/bounded.ts';
import { installInto } from '../support/compiled-program.ts';
import { freePorts } from '../support/free-port.ts';

const root = mkdtempSync(join(tmpdir(), 'build-'));
/** What the image runs: the compiled program, with the flags an orchestrator passes. */
const PROGRAM = join(root, 'dist/main.js');

beforeAll(() => installInto(root), 120_000);
afterAll(() => rmSync(root, { recursive: true }));

test('the compiled program says its version and checks a configuration', () => {
  const version = execFileSync(process.execPath, [PROGRAM, 'version'], BOUNDED);
  expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
  const checked = execFileSync(
    process.execPath,
    [PROGRAM, 'validate', 'config/examples/default.yaml'],
    BOUNDED,
  );
  expect(checked).toContain('schedulingProfiles');
});

test('the compiled program runs by its own first line, as the `epp` of an installed package does', () => {
  chmodSync(PROGRAM, 0o755);
  const path = `${dirname(process.execPath)}:/usr/bin:/bin`;
  const version = execFileSync(PROGRAM, ['version'], { ...BOUNDED, env: { PATH: path } });
  expect(version).toMatch(/^\d+\.\d+\.\d+\n$/);
});

test('the compiled program serves with TLS, answers probes and ends with 0 on SIGTERM', async () => {
  const [grpc = 0, health = 0, metrics = 0, server = 0] = await freePorts(4);
  const flags = [
    '--zap-encoder',
    'json',
    '--drain-timeout=0s',
    '--tracing=false',
    '--bind-address=127.0.0.1',
  ];
  const ports = ['--grpc-port', grpc, '--grpc-health-port', health, '--metrics-port', metrics].map(String);
  // flags without a command are those of serve, as the reference's argument lists are
  const child = spawn(process.execPath, [PROGRAM, ...flags, ...ports, `--endpoints=127.0.0.1:${server}`], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  for await (const line of createInterface({ input: child.stderr })) {
    if (line.includes('picker is ready')) break;
  }
  const page = await fetch(`http://127.0.0.1:${metrics}/metrics`);
  expect(await page.text()).toContain('llm_d_epp_ready_endpoints{name="epp"} 0');
  child.kill('SIGTERM');
  expect((await ended)[0]).toBe(0);
});
