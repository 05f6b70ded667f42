import { z } from 'zod';
import type { AttributeKey } from '../../framework/attribute.ts';
import type { DataProducer } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import { sessionIdKey } from '../attributes/identity.ts';

const params = z
  .strictObject({
    headerName: z.string().default('').describe('Header whose value is the session id.'),
    cookieName: z.string().default('').describe('Cookie whose value is the session id; exact, case counts.'),
  })
  .refine(({ headerName, cookieName }) => (headerName === '') !== (cookieName === ''), {
    message: 'requires exactly one of headerName or cookieName to be set',
  });

/**
 * Writes the session id of a header or cookie, trimmed; nothing when it is absent or empty.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/sessionid
 */
class SessionIdProducer implements DataProducer {
  readonly #key: AttributeKey<string>;
  /** Lower case; '' to look for the cookie. */
  readonly #headerName: string;
  readonly #cookieName: string;

  constructor(name: string, { headerName, cookieName }: z.infer<typeof params>) {
    this.#key = sessionIdKey(name);
    this.#headerName = headerName.toLowerCase();
    this.#cookieName = cookieName;
  }

  produce(request: InferenceRequest): void {
    const value = this.#headerName === '' ? this.#cookie(request) : request.headers.get(this.#headerName);
    const id = value?.trim() ?? '';
    if (id !== '') request.attributes.set(this.#key, id);
  }

  /** HTTP/2 may split cookies over several headers; the first of the name counts. */
  #cookie(request: InferenceRequest): string | undefined {
    let found: string | undefined;
    request.headers.forEach((name, value) => {
      if (name === 'cookie' && found === undefined) found = cookieValue(value, this.#cookieName);
    });
    return found;
  }
}

function cookieValue(header: string, name: string): string | undefined {
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=');
    if (equals >= 0 && pair.slice(0, equals).trim() === name) return pair.slice(equals + 1);
  }
  return undefined;
}

/** `session-id-producer`. */
export const sessionIdProducer = definePlugin({
  type: 'session-id-producer',
  kinds: ['producer'],
  stability: 'beta',
  summary: 'Reads a session id from a header or a cookie.',
  params,
  dependencies: (_config, name) => ({ produces: [sessionIdKey(name)] }),
  create: (config, context) => new SessionIdProducer(context.name, config),
});
