import { expect } from 'vitest';

/** Runs `check` until it passes, at most for `timeoutMs`; then fails as `check` did. */
export async function eventually(check: () => void, timeoutMs = 5000): Promise<void> {
  await expect.poll(() => outcome(check), { timeout: timeoutMs, interval: 5 }).toBe('passed');
}

function outcome(check: () => void): string {
  try {
    check();
    return 'passed';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
