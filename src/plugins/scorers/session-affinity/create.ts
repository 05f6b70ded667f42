import { type AttributeKey, attributeKey } from '../../../framework/attribute.ts';
import type { DataDependencies, PluginContext, ProfileUse } from '../../../framework/plugin.ts';
import { EncodedEndpoint } from './encoded-endpoint.ts';
import { evictionTimes, type SessionAffinityParams, sessionIdSources, tokenHeader } from './parameters.ts';
import { SessionBindings } from './session-bindings.ts';
import type { SessionStrategy } from './strategy.ts';

/** The strategy that `params` choose; its timers end with `context.signal`. */
export function createStrategy(params: SessionAffinityParams, context: PluginContext): SessionStrategy {
  if (params.strategy === 'encoded_endpoint_header') {
    return new EncodedEndpoint(tokenHeader(params), params.profileName, context.log);
  }
  const { ttlMs, sweepMs } = evictionTimes(params);
  const sources = sessionIdSources(params).map((source) =>
    'header' in source
      ? source
      : // The value's type is unknown here and checked where it is read.
        { key: attributeKey<unknown>(source.attribute, source.producer) },
  );
  const bindings = new SessionBindings({
    sources,
    ttlMs,
    profileName: params.profileName,
    clock: context.clock,
  });
  const cancel = context.clock.every(sweepMs, () => bindings.sweep());
  context.signal.addEventListener('abort', cancel, { once: true });
  return bindings;
}

/** Attributes that session ids are read from, so that whoever writes them runs before. */
export function sessionDependencies(params: SessionAffinityParams): DataDependencies {
  if (params.strategy !== 'session_id') return {};
  const optional: AttributeKey<unknown>[] = [];
  for (const source of sessionIdSources(params)) {
    if ('attribute' in source) optional.push(attributeKey<unknown>(source.attribute, source.producer));
  }
  return { optional };
}

/** The profile whose pick binds a session, where one is named. */
export function sessionProfiles({ profileName }: SessionAffinityParams): readonly ProfileUse[] {
  return profileName === '' ? [] : [{ path: ['profileName'], name: profileName, isRequired: false }];
}
