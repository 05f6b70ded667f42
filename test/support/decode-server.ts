import type { SimOptions } from '../../src/sim/options.ts';
import { type Simulator, startSimulator } from '../../src/sim/simulator.ts';
import { type HttpAnswer, send } from './http-client.ts';

/** Settings of a simulated server that takes no time and listens on a free port. */
export const INSTANT = { port: 0, timeScale: 0, model: 'm' };

/** A prompt of 200 tokens. */
export const WORDS = 'the quick brown fox '.repeat(40);

/** It as a message. */
export const USER = { role: 'user', content: WORDS };

/** A decode server, and requests to it that name a prefill server. */
export async function startDecode(options: Partial<SimOptions> = {}) {
  const sim = await startSimulator({ ...INSTANT, sidecar: true, ...options });
  const decode = sim.servers[0];
  if (decode === undefined) throw new Error('no server');
  const ask = (prefill: string, path: string, body: object): Promise<HttpAnswer> =>
    send(`http://${decode.address}`, { path, body, headers: { 'x-prefiller-host-port': prefill } });
  return { decode, ask, [Symbol.asyncDispose]: () => sim[Symbol.asyncDispose]() };
}

/** The body of an answer. */
export function json({ body }: HttpAnswer): Record<string, unknown> {
  return JSON.parse(body.toString()) as Record<string, unknown>;
}

/** What the first server of a simulator has done. */
export function statsOf(sim: Simulator) {
  const stats = sim.servers[0]?.engine.stats;
  if (stats === undefined) throw new Error('no server');
  return stats;
}

/** A request of five tokens to each API, and the name that its usage has for the prompt. */
export const REQUESTS = [
  {
    api: 'chat',
    path: '/v1/chat/completions',
    body: { messages: [USER], max_tokens: 5 },
    usage: 'prompt_tokens',
  },
  {
    api: 'completions',
    path: '/v1/completions',
    body: { prompt: WORDS, max_tokens: 5 },
    usage: 'prompt_tokens',
  },
  { api: 'messages', path: '/v1/messages', body: { messages: [USER], max_tokens: 5 }, usage: 'input_tokens' },
  {
    api: 'responses',
    path: '/v1/responses',
    body: { input: WORDS, max_output_tokens: 5 },
    usage: 'input_tokens',
  },
  {
    api: 'generate',
    path: '/inference/v1/generate',
    body: { token_ids: Array.from({ length: 200 }, (_, i) => i), sampling_params: { max_tokens: 5 } },
    usage: 'prompt_tokens',
  },
];
