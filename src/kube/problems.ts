import type { z } from 'zod';

/** What is wrong with an object, one text per place, such as `spec.targetPorts[0].number: Too big: expected …`. */
export function problemsOf(error: z.ZodError, root: string): string[] {
  return error.issues.map((issue) => `${pathText(root, issue.path)}: ${issue.message}`);
}

function pathText(root: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    return typeof key === 'number' ? `${text}[${key}]` : `${text}.${String(key)}`;
  }, root);
}
