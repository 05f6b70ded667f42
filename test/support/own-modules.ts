import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll } from 'vitest';

/** Beginning of a configuration. */
export const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

/** Folder of this test file, which is removed at its end. */
export const root = mkdtempSync(join(tmpdir(), 'own-plugins-'));
afterAll(() => rmSync(root, { recursive: true }));

/** Writes files into a folder of their own; returns the path of `epp.yaml`. */
export function folder(files: Readonly<Record<string, string>>): string {
  const dir = mkdtempSync(join(root, 'case-'));
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  return join(dir, 'epp.yaml');
}
