import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RejectionError } from '../../src/framework/errors.ts';
import type { Decider } from '../../src/framework/hooks.ts';
import type { AnyPluginDefinition } from '../../src/framework/plugin.ts';
import type { ProfileHandler, ProfileResults } from '../../src/framework/profile-handler.ts';
import { context, endpoint, request } from '../support/builders.ts';
import { ofKind } from './parameters.ts';

/** A fresh handler without parameters, whose deciders answer with `decide`. */
function handlerOf(d: AnyPluginDefinition, decide: Decider['decide']): ProfileHandler {
  const params: unknown = d.params.parse({});
  const named = (d.references?.(params) ?? []).map(({ name }) => [name, { decide }] as const);
  return d.create(params, context(d.type, [], Object.fromEntries(named))) as ProfileHandler; // its kind
}

describe.each(ofKind('profile-handler'))('profile handler contract: $type', ({ d }) => {
  test('it asks for profiles that there are, each once, comes to an end, and its primary one has a target', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.constantFrom('decode', 'prefill', 'encode', 'default'), { minLength: 1 }),
        fc.subarray(['decode', 'prefill', 'encode', 'default']),
        fc.boolean(),
        (names, failing, isAsked) => {
          const handler = handlerOf(d, () => isAsked);
          const one = request();
          const results: ProfileResults = new Map();
          const ran: string[] = [];
          try {
            for (let round = 0; round <= 2 * names.length; round += 1) {
              for (const name of handler.pick(one, names, results)) {
                ran.push(name);
                const targets = [endpoint({ name })];
                const result = { targets, candidates: targets, totals: new Float64Array(1) };
                results.set(name, failing.includes(name) ? undefined : result);
              }
            }
            expect(handler.pick(one, names, results)).toEqual([]);
          } catch (error) {
            expect(error).toBeInstanceOf(RejectionError);
            return;
          }
          expect(new Set(ran).size).toBe(ran.length);
          expect(ran.filter((name) => !new Set<string>(names).has(name))).toEqual([]);
          let found: ReturnType<ProfileHandler['process']>;
          try {
            found = handler.process(one, results);
          } catch (error) {
            expect(error).toBeInstanceOf(Error);
            expect(ran.length === 0 || failing.length > 0 || ran.length > 1).toBe(true);
            return;
          }
          expect(found.profiles.get(found.primary)?.targets[0]?.name).toBe(found.primary);
          for (const [name, result] of found.profiles) expect(result.targets[0]?.name).toBe(name);
          for (const stage of [found.prefill, found.encode]) {
            if (stage !== undefined) expect(found.profiles.has(stage)).toBe(true);
          }
        },
      ),
    );
  });
});
