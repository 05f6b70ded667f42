import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';

const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';
// none of these ended within the limit of a test while its cost was quadratic

function load(body: string) {
  return loadConfiguration(HEAD + body, { catalogue: CATALOGUE });
}

function lines(count: number, line: (i: number) => string): string {
  return Array.from({ length: count }, (_, i) => `${line(i)}\n`).join('');
}

test('thousands of plugins load', () => {
  const { document } = load(`plugins:\n${lines(5000, (i) => `- {name: a${i}, type: token-producer}`)}`);
  expect(document?.producers).toHaveLength(5000);
});

test('of thousands of mistakes in values the first are told, and how many there are', () => {
  const { document, problems } = load(`plugins:\n${lines(5000, () => '- {name: 1, type: 2}')}`);
  expect(document).toBeUndefined();
  const messages = problems.map(({ message }) => message);
  expect(messages).toContain('the document: 9900 mistakes more than are told here');
  expect(messages.filter((message) => message.includes('got 2, want text'))).toHaveLength(50);
});

test('thousands of names that nobody has are reported, the first with what was probably meant', () => {
  const { problems } = load(
    `plugins:\n${lines(2000, (i) => `- {name: abcdefghij${i}, type: queue-scorer}`)}schedulingProfiles:\n- name: d\n  plugins:\n${lines(2000, (i) => `  - pluginRef: abcdefghi${i}x`)}`,
  );
  const unknown = problems.filter(({ code }) => code === 'unknown-reference');
  expect(unknown).toHaveLength(2000);
  expect(unknown[0]?.suggestion).toBe('abcdefghij0');
});
