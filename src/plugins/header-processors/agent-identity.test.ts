import fc from 'fast-check';
import { expect, test } from 'vitest';
import { context, request } from '../../../test/support/builders.ts';
import { AGENT_IDENTITY } from '../attributes/identity.ts';
import { agentIdentity } from './agent-identity.ts';

function identityOf(headers: Record<string, string>, raw: object = {}): string | undefined {
  const built = request({ headers });
  agentIdentity.create(agentIdentity.params.parse(raw), context()).requestHeaders(built);
  return built.attributes.get(AGENT_IDENTITY);
}

test.each([
  { name: 'nothing', headers: {}, raw: {}, want: undefined },
  { name: 'the last of the built-in headers', headers: { session_id: 'a' }, raw: {}, want: 'a' },
  {
    name: 'the first of several',
    headers: { 'session-id': 'c', 'x-session-affinity': 'b', 'x-claude-code-session-id': 'a' },
    raw: {},
    want: 'a',
  },
  {
    name: 'an empty one does not count',
    headers: { 'x-claude-code-session-id': ' ', 'session-id': ' c ' },
    raw: {},
    want: 'c',
  },
  {
    name: 'configured headers come first, whatever their case',
    headers: { 'x-claude-code-session-id': 'a', 'x-mine': 'm' },
    raw: { additionalSessionHeaders: ['X-Other', 'X-Mine'] },
    want: 'm',
  },
  { name: 'other headers do not count', headers: { 'x-session-id': 'a' }, raw: {}, want: undefined },
])('agent-identity: $name', ({ headers, raw, want }) => {
  expect(identityOf(headers as Record<string, string>, raw)).toBe(want);
});

test('agent-identity: any header value is taken trimmed, or not at all', () => {
  fc.assert(
    fc.property(fc.string(), (value) => {
      expect(identityOf({ 'session-id': value })).toBe(value.trim() === '' ? undefined : value.trim());
    }),
  );
});

test('agent-identity: it stands in for a missing fairness id, not for one that another plugin chose', () => {
  const flowOf = (fairnessId: string | undefined) => {
    const built = request({ headers: { 'session-id': 'agent-7' } });
    if (fairnessId !== undefined) built.fairnessId = fairnessId;
    agentIdentity.create(agentIdentity.params.parse({}), context()).requestHeaders(built);
    return built.fairnessId;
  };
  expect([flowOf(undefined), flowOf('mine')]).toEqual(['agent-7', 'mine']);
});

test('agent-identity: unknown parameters and empty names are refused', () => {
  expect(agentIdentity.params.safeParse({ headers: [] }).success).toBe(false);
  expect(agentIdentity.params.safeParse({ additionalSessionHeaders: [''] }).success).toBe(false);
});
