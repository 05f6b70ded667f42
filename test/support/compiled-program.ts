import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, symlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { BOUNDED } from './bounded.ts';
import { PROGRAM } from './program-under-test.ts';

/** Puts the compiled program into `folder`/dist: the one that is being tested, or one that is compiled for this. */
export function compileInto(folder: string): void {
  const dist = join(folder, 'dist');
  if (PROGRAM === 'dist/main.js') {
    cpSync('dist', dist, { recursive: true });
    return;
  }
  const tsc = resolve('node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', '--outDir', dist], BOUNDED);
}

/** Makes `folder` with the compiled program, what it needs, and nothing else. */
export function installInto(folder: string): void {
  mkdirSync(folder, { recursive: true });
  compileInto(folder);
  for (const name of ['node_modules', 'proto', 'package.json']) {
    symlinkSync(resolve(name), join(folder, name));
  }
}
