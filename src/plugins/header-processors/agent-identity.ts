import { z } from 'zod';
import type { HeaderProcessor } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { DEFAULT_FAIRNESS_ID, type InferenceRequest } from '../../framework/request.ts';
import { AGENT_IDENTITY } from '../attributes/identity.ts';

/** Headers in which coding agents and their proxies send a session, in order of preference. */
const SESSION_HEADERS = [
  'x-claude-code-session-id',
  'x-session-affinity',
  'session-id',
  'session_id',
] as const;

const params = z.strictObject({
  additionalSessionHeaders: z
    .array(z.string().min(1))
    .max(64)
    .default([])
    .describe('Headers looked at before the built-in ones, in order.'),
});

/**
 * Writes who the calling agent is: the first header that is not empty. It stands in for a missing fairness id.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/requestheader/agentidentity
 */
class AgentIdentity implements HeaderProcessor {
  readonly #names: readonly string[];

  constructor(additional: readonly string[]) {
    this.#names = [...additional.map((name) => name.toLowerCase()), ...SESSION_HEADERS];
  }

  requestHeaders(request: InferenceRequest): void {
    for (const name of this.#names) {
      const value = request.headers.get(name)?.trim() ?? '';
      if (value === '') continue;
      request.attributes.set(AGENT_IDENTITY, value);
      // the client's own header still goes before it, and so does what an earlier plugin chose
      if (request.fairnessId === DEFAULT_FAIRNESS_ID) request.fairnessId = value;
      return;
    }
  }
}

/** `agent-identity`. */
export const agentIdentity = definePlugin({
  type: 'agent-identity',
  kinds: ['header-processor'],
  stability: 'alpha',
  summary: 'Recognises agents by their session headers; the id stands in for a missing fairness id.',
  params,
  dependencies: () => ({ produces: [AGENT_IDENTITY] }),
  create: (config) => new AgentIdentity(config.additionalSessionHeaders),
});
