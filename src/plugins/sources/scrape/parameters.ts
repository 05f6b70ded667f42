import { z } from 'zod';
import { duration } from '../../../framework/schema.ts';

/** `scheme` of a page; `preset` when not given. */
export function schemeField(preset: 'http' | 'https', what: string) {
  return z.enum(['http', 'https']).default(preset).describe(`Protocol of the ${what}.`);
}

/** `path` of a page, with its slash. */
export function pathField(preset: string, what: string) {
  return z
    .string()
    .default(preset)
    .transform((path) => (path.startsWith('/') ? path : `/${path}`))
    .describe(`Path of the ${what}.`);
}

/** `interval` in milliseconds; `preset` stands for none, '' included, and 0 for every base tick. */
export function intervalField(preset: string, meaning: string) {
  const presetMs = duration().parse(preset);
  return z
    .union([z.literal('').transform(() => presetMs), duration()])
    .refine((ms) => ms >= 0, 'must not be negative')
    .prefault(preset)
    .describe(meaning);
}

/** `insecureSkipVerify` of a source that has no certificates of its own. */
export function skipVerifyField() {
  return z.boolean().default(true).describe('Accept any server certificate.');
}

/** Members of a source that may verify servers and show who it is; the refinement `isPair` belongs to them. */
export function tlsFields(skipsVerification: boolean) {
  return {
    insecureSkipVerify: z
      .boolean()
      .default(skipsVerification)
      .describe('Accept any server certificate; set it to false for caCertPath to take effect.'),
    caCertPath: z
      .string()
      .default('')
      .describe('PEM file of the authorities to trust instead of the built-in ones.'),
    clientCertPath: z
      .string()
      .default('')
      .describe('PEM file of the client certificate, with clientKeyPath.'),
    clientKeyPath: z.string().default('').describe('PEM file of the key of clientCertPath.'),
    bearerTokenPath: z
      .string()
      .default('')
      .describe('File with a token to send along, such as that of a service account.'),
  };
}

/** Whether the client certificate and its key are both given, or neither. */
export function isPair(config: { readonly clientCertPath: string; readonly clientKeyPath: string }): boolean {
  return (config.clientCertPath === '') === (config.clientKeyPath === '');
}

/** For the refinement of `isPair`. */
export const PAIR_ISSUE = {
  path: ['clientCertPath'],
  message: 'clientCertPath and clientKeyPath go together: give both or neither',
};

/** A source that neither verifies servers nor shows who it is. */
export const NO_CREDENTIALS = {
  caCertPath: '',
  clientCertPath: '',
  clientKeyPath: '',
  bearerTokenPath: '',
} as const;
