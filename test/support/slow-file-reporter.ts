import type { Reporter, TestModule } from 'vitest/node';

const SLOW_MS = 120_000;

/** Names each test file that is still running after two minutes: where a run hangs, its report would not come. */
export class SlowFileReporter implements Reporter {
  readonly #timers = new Map<string, NodeJS.Timeout>();

  onTestModuleStart(module: TestModule): void {
    const timer = setInterval(() => {
      process.stderr.write(`still running: ${module.project.name} ${module.relativeModuleId}\n`);
    }, SLOW_MS);
    this.#timers.set(module.id + module.project.name, timer.unref());
  }

  onTestModuleEnd(module: TestModule): void {
    clearInterval(this.#timers.get(module.id + module.project.name));
  }
}
