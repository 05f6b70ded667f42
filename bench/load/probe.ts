import { monitorEventLoopDelay } from 'node:perf_hooks';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { endWithParent, report } from './report.ts';

/**
 * Preloaded (`--import`) into a server under load: tells its parent, on request, how late its timers fire and how much
 * memory is alive. Costs nothing until it is asked.
 */

/** Time between two probes of the event loop; part of what the monitor reports, and taken off. */
const INTERVAL_MS = 1;
const NS_PER_MS = 1e6;
/** Pages that a collection frees are given back to the system a little later. */
const RELEASE_MS = 300;

const delay = monitorEventLoopDelay({ resolution: INTERVAL_MS });

function lateMs(intervalNs: number): number {
  return Math.max(0, intervalNs / NS_PER_MS - INTERVAL_MS);
}

/** Collects garbage first (`--expose-gc`), so that what is left is state. */
async function reportMemory(): Promise<void> {
  for (let i = 0; i < 3; i += 1) {
    globalThis.gc?.();
    await sleep(RELEASE_MS);
  }
  const { heapUsed, external } = process.memoryUsage();
  report({ event: 'memory', liveBytes: heapUsed + external });
}

process.on('message', (question) => {
  switch (question) {
    case 'watch-loop':
      delay.reset();
      delay.enable();
      return;
    case 'loop-delay':
      delay.disable();
      report({
        event: 'loop-delay',
        p50: lateMs(delay.percentile(50)),
        p99: lateMs(delay.percentile(99)),
        max: lateMs(delay.max),
      });
      return;
    case 'memory':
      void reportMemory();
      return;
    default:
  }
});
endWithParent();
