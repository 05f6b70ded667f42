import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { context } from '../../test/support/builders.ts';
import { TEST_CATALOGUE } from '../../test/support/catalogue.ts';
import type { Decider } from '../framework/hooks.ts';
import { type AnyPluginDefinition, definePlugin } from '../framework/plugin.ts';
import { buildPipeline } from './build.ts';
import { loadConfiguration } from './load.ts';
import { problemText } from './problems.ts';

const created: string[] = [];

/** A plugin that asks another one, if it is told of any. */
const asking = definePlugin({
  type: 'asking-decider',
  kinds: ['decider'],
  stability: 'beta',
  summary: 'Asks another decider.',
  params: z.strictObject({ other: z.strictObject({ name: z.string() }).optional() }),
  references: ({ other }) =>
    other === undefined ? [] : [{ path: ['other', 'name'], name: other.name, kind: 'decider' as const }],
  create: ({ other }, { name, plugin }): Decider => {
    created.push(name);
    const asked = other === undefined ? undefined : (plugin(other.name) as Decider); // its kind was checked
    return { decide: (request, endpoint) => asked?.decide(request, endpoint) ?? true };
  },
});

/** A plugin that takes one it has not declared. */
const sneaking = definePlugin({
  type: 'sneaking-decider',
  kinds: ['decider'],
  stability: 'beta',
  summary: 'Takes what it did not declare.',
  params: z.strictObject({}),
  create: (_params, { plugin }): Decider => {
    plugin('queue-scorer');
    return { decide: () => true };
  },
});

const CATALOGUE: readonly AnyPluginDefinition[] = [...TEST_CATALOGUE, asking, sneaking];
const SCORER = '- type: queue-scorer\n';

function build(plugins: string) {
  created.length = 0;
  const { document, problems } = loadConfiguration(`plugins:\n${SCORER}${plugins}`, { catalogue: CATALOGUE });
  const errors = problems.filter(({ severity }) => severity === 'error').map(problemText);
  if (document === undefined) return errors;
  const built = buildPipeline(document, (name) => context(name));
  return built.problems.filter(({ severity }) => severity === 'error').map(problemText);
}

describe('a plugin that names another', () => {
  test('is constructed after it, wherever it stands', () => {
    const plugins = `
- {type: asking-decider, name: first, parameters: {other: {name: second}}}
- {type: asking-decider, name: second, parameters: {other: {name: third}}}
- {type: asking-decider, name: third}
`;
    expect(build(plugins)).toEqual([]);
    expect(created).toEqual(['third', 'second', 'first']);
  });

  test('names a type: that is instantiated without parameters', () => {
    expect(
      build('- {type: asking-decider, name: first, parameters: {other: {name: asking-decider}}}'),
    ).toEqual([]);
    expect(created).toEqual(['asking-decider', 'first']);
  });

  test.each([
    {
      name: 'nobody',
      other: 'secnd',
      want: /^3:66: .*no plugin is named 'secnd'/,
    },
    {
      name: 'one of another kind',
      other: 'queue-scorer',
      want: /plugin 'queue-scorer' \(type queue-scorer\) serves as scorer, want decider/,
    },
    { name: 'itself', other: 'first', want: /name each other in a circle: 'first' → 'first'/ },
  ])('names $name: reported where it stands', ({ other, want }) => {
    const errors = build(`- {type: asking-decider, name: first, parameters: {other: {name: ${other}}}}`);
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatch(want);
  });

  test('in a circle: reported once', () => {
    const plugins = `
- {type: asking-decider, name: a, parameters: {other: {name: b}}}
- {type: asking-decider, name: b, parameters: {other: {name: c}}}
- {type: asking-decider, name: c, parameters: {other: {name: a}}}
`;
    expect(build(plugins).filter((text) => text.includes('circle'))).toHaveLength(1);
  });

  test('gets none that it has not declared', () => {
    expect(build('- type: sneaking-decider')[0]).toContain(
      "it does not declare that it refers to 'queue-scorer'",
    );
  });
});
