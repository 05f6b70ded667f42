import { Document, isNode } from 'yaml';
import type { EndpointPickerConfig } from './load.ts';
import { plainOf } from './node.ts';
import { API_VERSION, KIND } from './schema.ts';

const LINE_WIDTH = 110;

/**
 * The configuration that is in effect, as YAML that loads again to the same. What was added is marked by a comment;
 * passwords in URLs are replaced by `***`.
 */
export function effectiveConfiguration(config: EndpointPickerConfig): string {
  const { discovery, sources, pools } = config;
  const document = new Document(
    redacted({
      apiVersion: API_VERSION,
      kind: KIND,
      featureGates: [...config.featureGates].map(([name, value]) => `${name}=${value}`),
      plugins: config.plugins.map((entry) => ({
        ...(entry.name === entry.definition.type ? {} : { name: entry.name }),
        type: entry.definition.type,
        ...(entry.module === undefined ? {} : { module: entry.module }),
        ...(entry.parameters === undefined ? {} : { parameters: plainOf(entry.parameters) }),
      })),
      schedulingProfiles: config.profiles.map((profile) => ({
        name: profile.name,
        plugins: profile.members.map(({ plugin, weight }) => ({
          pluginRef: plugin.name,
          ...(plugin.definition.kinds.includes('scorer') ? { weight } : {}),
        })),
      })),
      requestHandler: { parsers: config.parsers.map((entry) => ({ pluginRef: entry.name })) },
      flowControl: { saturationDetector: { pluginRef: config.saturationDetector.name } },
      dataLayer: {
        injectDefaults: false,
        sources: sources.map(({ source, extractors }) => ({
          pluginRef: source.name,
          extractors: extractors.map((entry) => ({ pluginRef: entry.name })),
        })),
        ...(discovery === undefined ? {} : { discovery: { pluginRef: discovery.name } }),
      },
      ...(pools.length === 0 ? {} : { pools }),
    }),
    { aliasDuplicateObjects: false },
  );
  const mark = (path: readonly (string | number)[], reason: string) => {
    const node = document.getIn(path, true);
    if (reason !== '' && isNode(node)) node.commentBefore = ` added: ${reason}`;
  };
  for (const [i, entry] of config.plugins.entries()) mark(['plugins', i], entry.reason);
  for (const [i, profile] of config.profiles.entries()) {
    mark(['schedulingProfiles', i], profile.reason);
    if (profile.reason !== '') continue;
    for (const [j, member] of profile.members.entries()) {
      mark(['schedulingProfiles', i, 'plugins', j], member.reason);
    }
  }
  for (const [i, source] of sources.entries()) mark(['dataLayer', 'sources', i], source.reason);
  return document.toString({ lineWidth: LINE_WIDTH });
}

/** A copy without user names and passwords in URLs. */
function redacted(value: unknown): unknown {
  if (typeof value === 'string') return value.replace(/\b([a-z][a-z0-9+.-]*:\/\/)[^/@\s]+@/gi, '$1***@');
  if (Array.isArray(value)) return value.map(redacted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, redacted(item)]));
}
