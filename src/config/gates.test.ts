import { expect, test } from 'vitest';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { loadConfiguration } from './load.ts';

function load(gates: string) {
  const text = `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\nplugins: [{type: queue-scorer}]\nfeatureGates: ${gates}\n`;
  return loadConfiguration(text, { catalogue: CATALOGUE });
}

test('of a gate that is listed again the last entry wins', () => {
  const { document, problems } = load('[flowControl, flowControl=false, haPopulateNonLeaderDatastore=f]');
  expect(problems).toEqual([]);
  expect([...(document?.featureGates ?? [])]).toEqual([
    ['flowControl', false],
    ['haPopulateNonLeaderDatastore', false],
  ]);
});

test('the gate of a layer that is not there is reported once, where it is set', () => {
  const { document, problems } = load('[flowControl, flowControl=false, flowControl=T]');
  expect(document).toBeUndefined();
  expect(problems).toMatchObject([{ code: 'unavailable-feature', path: 'featureGates[2]' }]);
});
