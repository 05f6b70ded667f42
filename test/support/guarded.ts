import type { PluginKind } from '../../src/framework/plugin.ts';
import { guard } from '../../src/own-plugins/guard.ts';
import { context } from './builders.ts';

/** `instance` as its users see it, and how many errors are counted; members of no matching type are what a user may get wrong. */
export function guarded<T extends object>(kinds: readonly PluginKind[], instance: object) {
  const services = context();
  const scope = { dependencies: {}, produced: new Set<never>() };
  const plugin = guard({ name: 'mine', type: 'my-type', plugin: instance }, kinds, scope, services) as T;
  const errors = (point: string) =>
    services.instruments.counters.get(
      `plugin_errors_total{extension_point="${point}",plugin_name="mine",plugin_type="my-type"}`,
    )?.value ?? 0;
  return { plugin, services, errors };
}
