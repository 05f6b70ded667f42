import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { effectiveConfiguration } from './effective.ts';
import { loadConfiguration } from './load.ts';

const OPTIONS = { catalogue: CATALOGUE };
const HEAD = 'apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n';

function load(text: string) {
  return loadConfiguration(HEAD + text, OPTIONS);
}

test('pools are what is said of them', () => {
  const { document, problems } = load(
    'pools:\n- name: a\n- {name: a, namespace: ns, endpoints: ["10.0.0.1:80", "[::1]:81"], configFile: f.yaml}\n',
  );
  expect(problems).toEqual([]);
  expect(document?.pools).toEqual([
    { name: 'a' },
    { name: 'a', namespace: 'ns', endpoints: ['10.0.0.1:80', '[::1]:81'], configFile: 'f.yaml' },
  ]);
});

test('a document that lists only pools is the default configuration besides', () => {
  const plain = loadConfiguration('', OPTIONS).document;
  const { document } = load('pools:\n- name: a\n');
  expect(document?.plugins.map((one) => one.name)).toEqual(plain?.plugins.map((one) => one.name));
  expect(plain?.pools).toEqual([]);
  const { document: own } = load('pools:\n- name: a\nplugins:\n- type: queue-scorer\n');
  expect(own?.plugins.map((one) => one.name)).toContain('queue-scorer');
  expect(own?.plugins.length).not.toBe(plain?.plugins.length);
});

test('the effective configuration has the pools, and loads again to the same', () => {
  const { document } = load('pools:\n- {name: a, endpoints: ["10.0.0.1:80"]}\n- {name: b, namespace: ns}\n');
  if (document === undefined) throw new Error('the configuration does not load');
  const again = loadConfiguration(effectiveConfiguration(document), OPTIONS);
  expect(again.document?.pools).toEqual(document.pools);
  expect(again.document?.plugins.map((one) => one.name)).toEqual(document.plugins.map((one) => one.name));
});

test.each([
  { name: 'no name', text: '- namespace: ns', path: 'pools[0].name' },
  { name: 'a name with a slash', text: '- name: n/a', path: 'pools[0].name' },
  { name: 'no list', text: ' {name: a}', path: 'pools' },
  { name: 'an unknown member', text: '- {name: a, port: 1}', path: 'pools[0].port' },
  { name: 'an endpoint without port', text: '- {name: a, endpoints: [b]}', path: 'pools[0].endpoints[0]' },
  { name: 'no endpoint', text: '- {name: a, endpoints: []}', path: 'pools[0].endpoints' },
  { name: 'a pool twice', text: '- name: a\n- name: b\n- name: a', path: 'pools[2].name' },
])('refused: $name', ({ text, path }) => {
  const { document, problems } = load(`pools:\n${text}\n`);
  expect(document).toBeUndefined();
  expect(problems.map((problem) => problem.path)).toContain(path);
});
