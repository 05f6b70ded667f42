import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { BOUNDED } from '../support/bounded.ts';
import { PROGRAM } from '../support/program-under-test.ts';

const run = promisify(execFile);

/** An empty cache of compiled code makes the end of a process meet its optimizing threads, about every third time. */
async function validate(): Promise<string> {
  const cache = mkdtempSync(join(tmpdir(), 'compile-cache-'));
  try {
    const argv = [PROGRAM, 'validate', 'config/examples/default.yaml'];
    const env = { ...process.env, NODE_COMPILE_CACHE: cache };
    const { stdout } = await run(process.execPath, argv, { ...BOUNDED, timeout: 10_000, env });
    return stdout;
  } finally {
    rmSync(cache, { recursive: true });
  }
}

test('a command that is done ends, whatever is being optimized', async () => {
  for (let i = 0; i < 6; i++) {
    const both = await Promise.all([validate(), validate()]);
    for (const printed of both) expect(printed).toContain('schedulingProfiles');
  }
}, 60_000);
