import { expect, test } from 'vitest';
import { type EndpointPickerConfig, loadConfiguration } from '../config/load.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import { parseFlags } from './flags.ts';
import { isInKubernetes, planPools } from './pool-plans.ts';

function configOf(pools: string): EndpointPickerConfig {
  const text = pools === '' ? '' : `apiVersion: llm-d.ai/v1alpha1\nkind: EndpointPickerConfig\n${pools}`;
  const { document } = loadConfiguration(text, { catalogue: CATALOGUE });
  if (document === undefined) throw new Error('the configuration does not load');
  return document;
}

test.each([
  { name: 'nobody names one', argv: ['--endpoints=a:1'], want: ['default/ as epp with 1'] },
  { name: 'one', argv: ['--pool-name=a'], want: ['default/a as a with 0 kube'] },
  { name: 'one with its namespace', argv: ['--pool-name=n/a'], want: ['n/a as a with 0 kube'] },
  {
    name: 'one with endpoints',
    argv: ['--pool-name=a', '--endpoints=a:1,a:2'],
    want: ['default/a as a with 2'],
  },
  {
    name: 'many by flags, one of them twice',
    argv: ['--pool-name=a', '--pool-name=n/a,b', '--pool-name=default/b', '--pool-namespace=default'],
    want: ['default/a as default/a with 0 kube', 'n/a as n/a with 0 kube', 'default/b as b with 0 kube'],
  },
  {
    name: 'flags and configuration',
    argv: ['--pool-name=a', '--pool-namespace=m'],
    pools: 'pools:\n- {name: b, endpoints: ["[::1]:80"]}\n- {name: c, namespace: z}\n',
    want: ['m/a as a with 0 kube', 'm/b as b with 1', 'z/c as c with 0 kube'],
  },
])('pools: $name', ({ argv, pools = '', want }) => {
  const { options, errors } = parseFlags(argv, {});
  expect(errors).toEqual([]);
  const plans = planPools(options, configOf(pools), () => undefined);
  expect(
    plans.map((plan) => {
      const { namespace, name, label, endpoints } = plan;
      return `${namespace}/${name} as ${label} with ${endpoints.length}${isInKubernetes(plan) ? ' kube' : ''}`;
    }),
  ).toEqual(want);
});

test('a pool has the configuration of its own file, or none when that is faulty', () => {
  const main = configOf(
    'pools:\n- {name: a, configFile: a.yaml}\n- {name: b, configFile: b.yaml}\n- name: c\n',
  );
  const own = configOf('');
  const plans = planPools(parseFlags([], {}).options, main, (file) => (file === 'a.yaml' ? own : undefined));
  expect(plans.map((plan) => plan.config)).toEqual([own, undefined, main]);
  expect(plans.map((plan) => plan.configSource)).toEqual(['a.yaml', 'b.yaml', '--config-text']);
  expect(plans.map(isInKubernetes)).toEqual([true, false, true]);
});
