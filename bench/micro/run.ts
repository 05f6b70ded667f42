import { spawnSync } from 'node:child_process';
import { globSync } from 'node:fs';
import { join } from 'node:path';

/**
 * `npm run bench:micro [-- part of a file name …]`: runs `bench/micro/*.bench.ts`, all or those named, each in a
 * process of its own, so that none makes the call sites of another polymorphic. Prints time, percentiles and bytes
 * per call; use an idle machine.
 */
const wanted = process.argv.slice(2);
for (const file of globSync('*.bench.ts', { cwd: import.meta.dirname }).sort()) {
  if (wanted.length > 0 && !wanted.some((part) => file.includes(part))) continue;
  console.log(`\n# ${file}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', join(import.meta.dirname, file)], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
