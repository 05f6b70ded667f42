import { nextInt, type Rng, SeededRng } from '../util/rng.ts';

/** A request of the workload. */
export interface PlannedRequest {
  /** When it is sent, from the start of the run. */
  readonly atMs: number;
  /** JSON of a streamed chat completion. */
  readonly body: string;
}

/** What the workload is made from. */
export interface WorkloadOptions {
  readonly seed: number;
  readonly requests: number;
  readonly ratePerSecond: number;
  readonly model: string;
}

/** Applications, each with a long system prompt that all of its conversations start with. */
const APPLICATIONS = 32;
/** Bytes of a system prompt: instructions, tool descriptions and examples, about 3,500 tokens. */
const SYSTEM_BYTES = 14_000;
const MIN_TURNS = 2;
const MAX_TURNS = 6;
/** Mean pause between two turns of a conversation. */
const THINK_MS = 2500;

/**
 * Conversations of several turns about a few applications. Each turn sends the whole conversation again, so most of
 * every prompt has been computed before, somewhere. Arrivals are open loop: they do not wait for answers, so both runs
 * of the demo get the same requests at the same times. Sorted by time; the last one comes at `requests / rate`.
 */
export function planWorkload(options: WorkloadOptions): PlannedRequest[] {
  const rng = new SeededRng(options.seed);
  const systems = Array.from({ length: APPLICATIONS }, () => text(rng, SYSTEM_BYTES));
  const meanTurns = (MIN_TURNS + MAX_TURNS) / 2;
  const conversationGapMs = (1000 / options.ratePerSecond) * meanTurns;
  // Twice the conversations that are needed, so that the window is full from its first to its last second.
  const conversations = Math.ceil((2 * options.requests) / meanTurns) + 8;
  const planned: PlannedRequest[] = [];
  let startMs = 0;
  for (let i = 0; i < conversations; i += 1) {
    startMs += exponential(rng, conversationGapMs);
    planned.push(
      ...conversation(rng, systems[nextInt(rng, APPLICATIONS)] ?? '', { startMs, model: options.model }),
    );
  }
  planned.sort((a, b) => a.atMs - b.atMs);
  const skipped = Math.max(0, Math.floor((planned.length - options.requests) / 2));
  const window = planned.slice(skipped, skipped + options.requests);
  const firstMs = window[0]?.atMs ?? 0;
  const spanMs = Math.max(1e-9, (window.at(-1)?.atMs ?? 0) - firstMs);
  const scale = ((options.requests / options.ratePerSecond) * 1000) / spanMs;
  return window.map(({ atMs, body }) => ({ atMs: (atMs - firstMs) * scale, body }));
}

function conversation(
  rng: Rng,
  system: string,
  at: { readonly startMs: number; readonly model: string },
): PlannedRequest[] {
  const messages = [{ role: 'system', content: system }];
  const turns = MIN_TURNS + nextInt(rng, MAX_TURNS - MIN_TURNS + 1);
  const planned: PlannedRequest[] = [];
  let atMs = at.startMs;
  for (let turn = 0; turn < turns; turn += 1) {
    messages.push({ role: 'user', content: text(rng, 120 + nextInt(rng, 240)) });
    const max_tokens = 24 + nextInt(rng, 40);
    planned.push({ atMs, body: JSON.stringify({ model: at.model, messages, max_tokens, stream: true }) });
    messages.push({ role: 'assistant', content: text(rng, max_tokens * 4) });
    atMs += exponential(rng, THINK_MS);
  }
  return planned;
}

const SYLLABLES = 'ka lo mi ne ru sa ti vo be du fa gi ho ja pe zu'.split(' ');

/** Words of no meaning; different on every call. */
function text(rng: Rng, bytes: number): string {
  let words = '';
  while (words.length < bytes) {
    for (let i = 1 + nextInt(rng, 3); i >= 0; i -= 1)
      words += SYLLABLES[nextInt(rng, SYLLABLES.length)] ?? '';
    words += ' ';
  }
  return words.slice(0, bytes);
}

function exponential(rng: Rng, mean: number): number {
  return -mean * Math.log(1 - rng.next());
}
