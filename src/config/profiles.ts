import type { PluginKind } from '../framework/plugin.ts';
import type { Draft, PluginEntry } from './draft.ts';
import { positionOf } from './node.ts';
import type { Outline, ProfileOutline } from './outline.ts';
import { suggest } from './suggest.ts';

/** A plugin in a profile. */
export interface ProfileMember {
  readonly plugin: PluginEntry;
  /** Of a scorer; 1 for other plugins. */
  readonly weight: number;
  /** '' when it is written in the document, else why it was added. */
  readonly reason: string;
}

/** One scheduling profile with resolved references. */
export interface Profile {
  readonly name: string;
  readonly members: readonly ProfileMember[];
  /** '' when it is written in the document, else why it was added. */
  readonly reason: string;
}

const PROFILE_KINDS: readonly PluginKind[] = ['filter', 'scorer', 'picker'];
const DEFAULT_PICKER = 'max-score-picker';
const DEFAULT_HANDLER = 'single-profile-handler';

/** Handlers that run one profile and have no use for more. */
const SINGLE_HANDLERS: ReadonlySet<string> = new Set([DEFAULT_HANDLER, 'data-parallel-profile-handler']);

/** Resolves profiles and adds what they lack: a default profile, the handler, pickers. */
export function resolveProfiles(
  outline: Outline,
  draft: Draft,
): { readonly profiles: readonly Profile[]; readonly handler: PluginEntry | undefined } {
  const written = outline.profiles?.map((profile, i) => resolveProfile(profile, i, outline, draft));
  const profiles = written ?? [defaultProfile(draft)];
  const handler = resolveHandler(profiles, outline, draft);
  const completed = profiles.map((profile) => withPicker(profile, draft));
  for (const entry of draft.plugins) checkProfileNames(entry, profiles, draft);
  const hasScorer = completed.some((profile) =>
    profile.members.some(({ plugin }) => plugin.definition.kinds.includes('scorer')),
  );
  if (!hasScorer && !draft.isIncomplete) {
    draft.problems.warn(
      'no-scorer',
      { path: ['schedulingProfiles'], at: outline.profiles?.[0]?.at ?? { line: 1, column: 1 } },
      'no profile has a scorer: endpoints are picked at random',
    );
  }
  return { profiles: completed, handler };
}

/** Every filter, scorer and picker that is listed, in that order. */
function defaultProfile(draft: Draft): Profile {
  const reason = 'no profile is listed';
  const listed = draft.plugins.filter((entry) => entry.reason === '' && isOf(entry, PROFILE_KINDS));
  const pickers = listed.filter((entry) => isOf(entry, ['picker']));
  const [, second] = pickers;
  if (second !== undefined) {
    draft.problems.error(
      'second-picker',
      second.place,
      `the default profile has the pickers ${pickers.map(({ name }) => `'${name}'`).join(', ')}; list schedulingProfiles and name one in each`,
    );
  }
  for (const entry of listed) draft.refer(entry);
  return { name: 'default', members: listed.map((plugin) => ({ plugin, weight: 1, reason })), reason };
}

function resolveProfile(profile: ProfileOutline, i: number, outline: Outline, draft: Draft): Profile {
  const { problems } = draft;
  const path = ['schedulingProfiles', i];
  const first = outline.profiles?.findIndex((other) => other.name === profile.name) ?? i;
  if (profile.name !== '' && first !== i) {
    problems.error(
      'duplicate-name',
      { path: [...path, 'name'], at: profile.at },
      `profile name '${profile.name}' is taken by schedulingProfiles[${first}]`,
    );
  }
  const members: ProfileMember[] = [];
  for (const reference of profile.references) {
    const plugin = draft.resolve(reference, []);
    if (plugin === undefined) continue;
    const { name, definition } = plugin;
    const isScorer = definition.kinds.includes('scorer');
    if (!isOf(plugin, PROFILE_KINDS)) {
      problems.warn(
        'ineffective-reference',
        reference,
        `plugin '${name}' is no filter, scorer or picker: the reference has no effect, the plugin works by being listed`,
      );
      continue;
    }
    if (reference.weight !== undefined && !isScorer) {
      problems.warn(
        'ineffective-reference',
        reference,
        `plugin '${name}' is no scorer: its weight has no effect`,
      );
    }
    if (members.some((member) => member.plugin === plugin)) {
      const effect = isScorer ? 'its score counts twice' : 'it runs twice';
      problems.warn(
        'repeated-reference',
        reference,
        `profile '${profile.name}' lists '${name}' twice: ${effect}`,
      );
    }
    const picker = members.find((member) => isOf(member.plugin, ['picker']))?.plugin;
    if (picker !== undefined && isOf(plugin, ['picker'])) {
      problems.error(
        'second-picker',
        reference,
        `profile '${profile.name}' has the picker '${picker.name}' already, got '${name}', want one`,
      );
      continue;
    }
    members.push({ plugin, weight: isScorer ? (reference.weight ?? 1) : 1, reason: '' });
  }
  return { name: profile.name, members, reason: '' };
}

/** The one profile handler; added for a single profile. */
function resolveHandler(
  profiles: readonly Profile[],
  outline: Outline,
  draft: Draft,
): PluginEntry | undefined {
  const { problems } = draft;
  const at = outline.profiles?.[0]?.at ?? { line: 1, column: 1 };
  const handlers = draft.plugins.filter((entry) => isOf(entry, ['profile-handler']));
  const [handler, second] = handlers;
  if (second !== undefined) {
    const names = handlers.map(({ name }) => `'${name}'`).join(', ');
    problems.error('profile-handler', second.place, `got the profile handlers ${names}, want one`);
  }
  if (handler !== undefined) {
    const { type } = handler.definition;
    if (SINGLE_HANDLERS.has(type) && profiles.length > 1) {
      problems.error('profile-handler', handler.place, `${type} runs one profile, got ${profiles.length}`);
    }
    return handler;
  }
  if (profiles.length === 1)
    return draft.addDefault(DEFAULT_HANDLER, 'profile-handler', 'no profile handler is listed');
  if (!draft.isIncomplete) {
    problems.error(
      'profile-handler',
      { path: ['schedulingProfiles'], at },
      `got ${profiles.length} profiles and no profile handler, want one in plugins`,
    );
  }
  return undefined;
}

/** A profile without picker gets the listed one: `max-score-picker` before others, else the first. */
function withPicker(profile: Profile, draft: Draft): Profile {
  if (profile.members.some(({ plugin }) => isOf(plugin, ['picker']))) return profile;
  const plugin =
    draft.firstOfType(DEFAULT_PICKER) ??
    draft.firstOfKind('picker') ??
    draft.addDefault(DEFAULT_PICKER, 'picker', 'no picker is listed');
  if (plugin === undefined) return profile;
  draft.refer(plugin);
  const reason = `profile '${profile.name}' names no picker`;
  return { ...profile, members: [...profile.members, { plugin, weight: 1, reason }] };
}

/** Profiles that parameters name exist. */
function checkProfileNames(entry: PluginEntry, profiles: readonly Profile[], draft: Draft): void {
  if (entry.params === undefined) return;
  const names = profiles.map((profile) => profile.name);
  for (const { path, name, isRequired } of entry.definition.profiles?.(entry.params, names) ?? []) {
    if (names.includes(name)) continue;
    const place = {
      path: [...entry.place.path, 'parameters', ...path],
      at: entry.parameters === undefined ? entry.place.at : positionOf(entry.parameters, path),
    };
    const message = `${path.join('.')} of plugin '${entry.name}' names the profile '${name}', got the profiles ${names.join(', ')}`;
    if (isRequired) draft.problems.error('unknown-profile', place, message, suggest(name, names));
    else draft.problems.warn('unknown-profile', place, message, suggest(name, names));
  }
}

function isOf(entry: PluginEntry, kinds: readonly PluginKind[]): boolean {
  return entry.definition.kinds.some((kind) => kinds.includes(kind));
}
