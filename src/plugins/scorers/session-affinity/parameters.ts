import { z } from 'zod';

const DEFAULT_TOKEN_HEADER = 'x-session-token';
const DEFAULT_SESSION_HEADER = 'x-session-id';
const DEFAULT_TTL_SECONDS = 300;
const DEFAULT_SWEEP_SECONDS = 10;

const source = z.strictObject({
  header: z.string().optional().describe('Request header that carries the session id.'),
  attribute: z
    .string()
    .optional()
    .describe('Data type of the request attribute that carries the session id.'),
  producer: z.string().optional().describe('Producer of that attribute; empty for one without producer.'),
});

/** Parameters of `session-affinity-scorer` and `session-affinity-filter`; durations are seconds. */
export const sessionAffinityParams = z
  .strictObject({
    strategy: z
      .enum(['encoded_endpoint_header', 'session_id'])
      .default('encoded_endpoint_header')
      .describe(
        'How a session is recognised: by a token that names its endpoint, or by an id that is bound to one.',
      ),
    profileName: z
      .string()
      .default('')
      .describe('Profile whose first target the session keeps; empty means the primary profile.'),
    encodedEndpointHeaderConfig: z
      .strictObject({
        header: z
          .string()
          .default(DEFAULT_TOKEN_HEADER)
          .describe('Request and response header that carries the token.'),
      })
      .prefault({})
      .describe('For strategy encoded_endpoint_header.'),
    sessionIdConfig: z
      .strictObject({
        sources: z
          .array(source)
          .default([])
          .describe(`Where the id is looked for, in order; empty means header ${DEFAULT_SESSION_HEADER}.`),
        evictionTtlSeconds: z
          .number()
          .default(DEFAULT_TTL_SECONDS)
          .describe(
            `Seconds after its last use at which a binding is forgotten; 0 means ${DEFAULT_TTL_SECONDS}.`,
          ),
        evictionSweepSeconds: z
          .number()
          .default(DEFAULT_SWEEP_SECONDS)
          .describe(`Seconds between two looks for old bindings; 0 means ${DEFAULT_SWEEP_SECONDS}.`),
      })
      .prefault({})
      .describe('For strategy session_id; not looked at otherwise.'),
  })
  .superRefine((value, context) => {
    if (value.strategy !== 'session_id') return;
    const config = value.sessionIdConfig;
    for (const name of ['evictionTtlSeconds', 'evictionSweepSeconds'] as const) {
      if (config[name] >= 0) continue;
      context.addIssue({
        code: 'custom',
        path: ['sessionIdConfig', name],
        message: 'must not be negative',
      });
    }
    config.sources.forEach((one, i) => {
      if (isBlank(one.header) !== isBlank(one.attribute)) return;
      context.addIssue({
        code: 'custom',
        path: ['sessionIdConfig', 'sources', i],
        message: 'exactly one of header or attribute must be set',
      });
    });
  });

/** What the schema gives. */
export type SessionAffinityParams = z.infer<typeof sessionAffinityParams>;

/** Where a session id may be; exactly one of header and attribute is set. */
export type SessionIdSource =
  | { readonly header: string }
  | { readonly attribute: string; readonly producer: string };

/** Name of the token header, lower case. */
export function tokenHeader(params: SessionAffinityParams): string {
  return params.encodedEndpointHeaderConfig.header.trim().toLowerCase() || DEFAULT_TOKEN_HEADER;
}

/** Sources in order, defaults applied, header names lower case. */
export function sessionIdSources(params: SessionAffinityParams): SessionIdSource[] {
  const sources = params.sessionIdConfig.sources.map(
    (one): SessionIdSource =>
      isBlank(one.header)
        ? { attribute: one.attribute?.trim() ?? '', producer: one.producer ?? '' }
        : { header: one.header?.trim().toLowerCase() ?? '' },
  );
  return sources.length > 0 ? sources : [{ header: DEFAULT_SESSION_HEADER }];
}

/** Age at which a binding is forgotten and time between sweeps, in milliseconds. */
export function evictionTimes(params: SessionAffinityParams): { ttlMs: number; sweepMs: number } {
  const { evictionTtlSeconds, evictionSweepSeconds } = params.sessionIdConfig;
  return {
    ttlMs: (evictionTtlSeconds || DEFAULT_TTL_SECONDS) * 1000,
    sweepMs: (evictionSweepSeconds || DEFAULT_SWEEP_SECONDS) * 1000,
  };
}

function isBlank(text: string | undefined): boolean {
  return text === undefined || text.trim() === '';
}
