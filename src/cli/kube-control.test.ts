import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { KubeApiServer } from '../../test/support/kube-api-server.ts';
import { named } from '../../test/support/kube-objects.ts';
import { writeKubeconfig } from '../../test/support/kubeconfig.ts';
import { OBJECTIVE, POOL, REWRITE } from '../../test/support/watched-pool.ts';
import { loadConfiguration } from '../config/load.ts';
import { EndpointStore } from '../data/store.ts';
import { NO_BODY } from '../framework/body.ts';
import { ModelRewrites } from '../framework/model-rewrites.ts';
import type { Parser } from '../framework/parser.ts';
import { POD_RESOURCE } from '../kube/pods.ts';
import { CATALOGUE } from '../plugins/catalogue.ts';
import type { RootLog } from '../telemetry/logger.ts';
import { systemClock } from '../util/clock.ts';
import { parseFlags } from './flags.ts';
import { KubeControl } from './kube-control.ts';
import { planPools } from './pool-plans.ts';

class Log extends RecordingLog implements RootLog {
  component(): Log {
    return this;
  }

  forPool(): Log {
    return this;
  }
}

/** A parser for model servers that speak these protocols. */
function parserOf(...protocols: Parser['protocols']): Parser {
  const reading = { parse: () => NO_BODY, readUsage: () => {}, readsResponse: false } as const;
  return { pathSuffixes: [], protocols, errorShape: 'openai', ...reading };
}

test('a pool is served when some parser understands what its model servers speak', async () => {
  await using api = await KubeApiServer.start([POOL, OBJECTIVE, REWRITE, POD_RESOURCE]);
  await using kubeconfig = await writeKubeconfig(api);
  const { options } = parseFlags(['--pool-name=pool', '--metrics-endpoint-auth=false'], {});
  const { document: config } = loadConfiguration('', {
    catalogue: CATALOGUE,
    allowExperimental: false,
    pluginParameters: options.pluginParameters,
  });
  if (config === undefined) throw new Error('the built-in configuration is faulty');
  const pools = planPools(options, config, () => undefined);
  const [plan] = pools;
  if (plan === undefined) throw new Error('no pool was planned');
  const log = new Log();
  await using control = await KubeControl.create({
    options,
    env: { KUBECONFIG: kubeconfig.path },
    clock: systemClock,
    log,
    pools,
    followersDiscover: true,
  });
  const health = (...parsers: readonly Parser[]) =>
    control.health([
      {
        plan,
        runtime: { pipeline: { parsers: parsers.map((plugin) => ({ name: 'p', type: 'p', plugin })) } },
      },
    ]);
  const put = (appProtocol: object) => {
    const spec = { selector: { matchLabels: { app: 'x' } }, targetPorts: [{ number: 8000 }], ...appProtocol };
    api.put(POOL, named({ name: 'pool' }, spec));
  };
  const [http, grpc, any, both] = [
    parserOf('http'),
    parserOf('kubernetes.io/h2c'),
    parserOf(),
    parserOf('http', 'kubernetes.io/h2c'),
  ];
  expect(health(http)).toEqual({ isLive: false, isProtocolSupported: true, leadership: 'off' });
  put({ appProtocol: 'kubernetes.io/h2c' });
  const stop = new AbortController();
  const sinks = { writer: new EndpointStore(log), rewrites: new ModelRewrites() };
  await control.discover(plan, sinks, stop.signal);
  expect(health(http)).toEqual({ isLive: true, isProtocolSupported: false, leadership: 'off' });
  const supported = (...parsers: readonly Parser[]) => health(...parsers).isProtocolSupported;
  expect([supported(grpc), supported(any), supported(both), supported(http, grpc)]).toEqual(
    Array(4).fill(true),
  );
  const complaints = () => log.lines.filter(({ level }) => level === 'error').map(({ fields }) => fields);
  expect([supported(http), supported(http)]).toEqual([false, false]);
  expect(complaints()).toEqual([
    { pool: plan.label, appProtocol: 'kubernetes.io/h2c', parsers: ['p'] },
    { pool: plan.label, appProtocol: 'kubernetes.io/h2c', parsers: ['p'] },
  ]);
  put({}); // http by default
  await expect.poll(() => supported(http), { timeout: 5000, interval: 10 }).toBe(true);
  expect(supported(grpc)).toBe(false);
  expect(complaints().at(-1)).toMatchObject({ appProtocol: 'http' });
  stop.abort();
});
