import type { Clock } from '../util/clock.ts';
import { KubeError } from './api.ts';

/**
 * Runs `work` with a signal that aborts after `limitMs` of `clock` or together with `signal`, and rejects at that moment
 * even when `work` does not listen: with `KubeError` of status 0, or with the reason of `signal`.
 */
export async function bounded<T>(
  work: (signal: AbortSignal) => Promise<T>,
  limit: { readonly clock: Clock; readonly limitMs: number; readonly signal: AbortSignal },
): Promise<T> {
  const { clock, limitMs, signal } = limit;
  signal.throwIfAborted();
  const inner = new AbortController();
  const ended = new Promise<never>((_, reject) => {
    inner.signal.addEventListener('abort', () => reject(inner.signal.reason as Error)); // set by the two lines below
  });
  const follow = () => inner.abort(signal.reason);
  const cancel = clock.after(limitMs, () =>
    inner.abort(new KubeError(0, 'Timeout', `no answer of the API server within ${Math.ceil(limitMs)} ms`)),
  );
  signal.addEventListener('abort', follow);
  try {
    return await Promise.race([work(inner.signal), ended]);
  } finally {
    cancel();
    signal.removeEventListener('abort', follow);
  }
}
