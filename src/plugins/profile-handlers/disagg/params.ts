import { z } from 'zod';
import type { PluginReference, ProfileUse } from '../../../framework/plugin.ts';
import { DEFAULT_PREFIX_PRODUCER } from '../../attributes/prefix-match.ts';

/** A name and the parameter that it stands in. */
interface NameAt {
  readonly name: string;
  readonly path: readonly string[];
}

/** What `disagg-profile-handler` is told, in either form. */
export interface DisaggSettings {
  readonly stageOrder: 'decode-first' | 'prefill-first';
  readonly profiles: { readonly decode: NameAt; readonly prefill: NameAt; readonly encode: NameAt };
  /** Undefined: decode-first never prefills elsewhere, prefill-first always does. */
  readonly prefillDecider: NameAt | undefined;
  /** Undefined: media are never encoded elsewhere. */
  readonly encodeDecider: NameAt | undefined;
  readonly onPrefillFailure: 'skip' | 'fail';
  readonly prefixMatchInfoProducerName: string;
}

const NESTED = ['profiles', 'deciders'] as const;
const FLAT = [
  'decodeProfile',
  'prefillProfile',
  'encodeProfile',
  'prefillDeciderPluginName',
  'encodeDeciderPluginName',
  'deciderPluginName',
] as const;

const written = z.strictObject({
  stageOrder: z
    .string()
    .default('decode-first')
    .describe(
      '`decode-first`: the prefill stage is decided on by what the decode endpoint lacks. `prefill-first`: it always runs, and the decode endpoint may be chosen by it. Case, `-` and `_` do not matter.',
    ),
  profiles: z
    .strictObject({
      decode: z.string().default('decode').describe('Profile that chooses the destination.'),
      prefill: z.string().default('prefill').describe('Profile that chooses where the prompt is computed.'),
      encode: z.string().default('encode').describe('Profile that chooses where media are encoded.'),
    })
    .optional()
    .describe('Names of scheduling profiles.'),
  deciders: z
    .strictObject({
      prefill: z
        .string()
        .default('')
        .describe(
          'Name of the decider that asks for the prefill stage; none: no such stage in decode-first.',
        ),
      encode: z
        .string()
        .default('')
        .describe('Name of the decider that asks for the encode stage; none: no such stage.'),
    })
    .optional()
    .describe('Names of decider plugins.'),
  onPrefillFailure: z
    .enum(['skip', 'fail'])
    .default('skip')
    .describe(
      'What happens when no endpoint can take a prefill stage that was asked for: `skip` computes the prompt where it is decoded, `fail` refuses the request, for decode endpoints that cannot prefill.',
    ),
  prefixMatchInfoProducerName: z
    .string()
    .default(DEFAULT_PREFIX_PRODUCER)
    .describe(
      'Name of the producer of prefix matches that is added when there is none of that name; name the listed one to do without the default one.',
    ),
  decodeProfile: z.string().optional().describe('Deprecated: `profiles.decode`.'),
  prefillProfile: z.string().optional().describe('Deprecated: `profiles.prefill`.'),
  encodeProfile: z.string().optional().describe('Deprecated: `profiles.encode`.'),
  prefillDeciderPluginName: z.string().optional().describe('Deprecated: `deciders.prefill`.'),
  encodeDeciderPluginName: z.string().optional().describe('Deprecated: `deciders.encode`.'),
  deciderPluginName: z
    .string()
    .optional()
    .describe('Deprecated: `deciders.prefill`; `prefillDeciderPluginName` wins.'),
});

type Written = z.infer<typeof written>;

/** Parameters of `disagg-profile-handler`; old and new names do not mix. */
export const disaggParams = written.transform((value, context): DisaggSettings => {
  const refuse = (path: readonly string[], message: string) => {
    context.issues.push({ code: 'custom', message, input: value, path: [...path] });
    return z.NEVER;
  };
  const flat = FLAT.filter((key) => value[key] !== undefined);
  const nested = NESTED.filter((key) => value[key] !== undefined);
  if (flat.length > 0 && nested.length > 0) {
    return refuse(
      [],
      `${flat.join(', ')} ${flat.length === 1 ? 'is an old name' : 'are old names'} and cannot stand beside ${nested.join(' and ')}`,
    );
  }
  const stageOrder = stageOrderOf(value.stageOrder);
  if (stageOrder === undefined) return refuse(['stageOrder'], 'want decode-first or prefill-first');
  const settings = { stageOrder, ...(flat.length > 0 ? flatNames(value) : nestedNames(value)) };
  if (stageOrder === 'prefill-first' && settings.prefillDecider !== undefined) {
    return refuse(
      [],
      `${settings.prefillDecider.path.join('.')}: a prefill decider is not supported in prefill-first stage order`,
    );
  }
  const { onPrefillFailure, prefixMatchInfoProducerName } = value;
  return { ...settings, onPrefillFailure, prefixMatchInfoProducerName };
});

function stageOrderOf(text: string): DisaggSettings['stageOrder'] | undefined {
  switch (text.toLowerCase().replaceAll(/[-_]/g, '')) {
    case '':
    case 'decodefirst':
    case 'decode':
      return 'decode-first';
    case 'prefillfirst':
    case 'prefill':
      return 'prefill-first';
    default:
      return undefined;
  }
}

type Names = Pick<DisaggSettings, 'profiles' | 'prefillDecider' | 'encodeDecider'>;

function nestedNames({ profiles, deciders }: Written): Names {
  return {
    profiles: {
      decode: { name: profiles?.decode ?? 'decode', path: ['profiles', 'decode'] },
      prefill: { name: profiles?.prefill ?? 'prefill', path: ['profiles', 'prefill'] },
      encode: { name: profiles?.encode ?? 'encode', path: ['profiles', 'encode'] },
    },
    prefillDecider: deciderAt(deciders?.prefill, ['deciders', 'prefill']),
    encodeDecider: deciderAt(deciders?.encode, ['deciders', 'encode']),
  };
}

function flatNames(value: Written): Names {
  return {
    profiles: {
      decode: { name: value.decodeProfile ?? 'decode', path: ['decodeProfile'] },
      prefill: { name: value.prefillProfile ?? 'prefill', path: ['prefillProfile'] },
      encode: { name: value.encodeProfile ?? 'encode', path: ['encodeProfile'] },
    },
    prefillDecider:
      deciderAt(value.prefillDeciderPluginName, ['prefillDeciderPluginName']) ??
      deciderAt(value.deciderPluginName, ['deciderPluginName']),
    encodeDecider: deciderAt(value.encodeDeciderPluginName, ['encodeDeciderPluginName']),
  };
}

function deciderAt(name: string | undefined, path: readonly string[]): NameAt | undefined {
  return name === undefined || name === '' ? undefined : { name, path };
}

/** Deciders that are asked. */
export function disaggReferences({
  prefillDecider,
  encodeDecider,
}: DisaggSettings): readonly PluginReference[] {
  return [prefillDecider, encodeDecider]
    .filter((decider) => decider !== undefined)
    .map((decider) => ({ ...decider, kind: 'decider' }));
}

/** The decode profile serves every request; others matter when something asks for their stage. */
export function disaggProfiles(settings: DisaggSettings): readonly ProfileUse[] {
  const { profiles, prefillDecider, encodeDecider, stageOrder } = settings;
  const uses: ProfileUse[] = [{ ...profiles.decode, isRequired: true }];
  if (prefillDecider !== undefined || stageOrder === 'prefill-first')
    uses.push({ ...profiles.prefill, isRequired: false });
  if (encodeDecider !== undefined) uses.push({ ...profiles.encode, isRequired: false });
  return uses;
}
