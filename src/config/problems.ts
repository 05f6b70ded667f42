import { type Path, type Position, pathText } from './node.ts';

/** Every kind of problem a configuration can have. The texts go into `docs/configuration.md`. */
export const PROBLEM_CODES = {
  'yaml-syntax': 'The text is not one YAML or JSON document.',
  'duplicate-key': 'A mapping has the same key twice.',
  'yaml-boolean': 'An unquoted `yes`, `no`, `on`, `off`, `y` or `n` was read as a boolean.',
  'api-version': 'The `apiVersion` or `kind` is not one this picker reads.',
  'api-version-missing': 'The document has no `apiVersion` or `kind`; the current ones are assumed.',
  'api-version-deprecated': 'The `apiVersion` is the old one; it means the same.',
  'unknown-key': 'A key has no meaning at its place.',
  'key-case': 'A parameter is written in another case than it is documented in.',
  'invalid-value': 'A value has the wrong type, is out of range, or is missing.',
  'invalid-parameters': 'The parameters of a plugin contradict each other, or what they name cannot be read.',
  'ignored-parameters': 'The plugin takes no such parameters; they have no effect.',
  'unknown-type': 'No plugin has this type.',
  'plugin-module': 'The module of a plugin cannot be loaded, or does not define what its entry asks for.',
  'unavailable-type': 'The plugin type exists in the reference but not in this version.',
  'experimental-type': 'The plugin is experimental; `--allow-experimental-plugins` allows it.',
  'deprecated-type': 'The plugin type has an older name or a successor.',
  'deprecated-form': 'The setting has moved; it is applied as described in the message.',
  'duplicate-name': 'Two plugins or two profiles have the same name.',
  'unknown-reference': 'A reference names no plugin.',
  'wrong-kind':
    'A reference names a plugin that cannot serve there, or a plugin that cannot serve has the name of a default one.',
  'ineffective-reference': 'A reference or its weight has no effect.',
  'repeated-reference': 'The same plugin is referenced twice in one place.',
  'second-picker': 'A profile has more than one picker.',
  'profile-handler': 'There is no profile handler, more than one, or one that does not fit the profiles.',
  'unknown-profile': 'A parameter names a profile that does not exist.',
  'no-disaggregation': 'As configured, prefill and decode never happen in different places.',
  'no-scorer': 'No profile has a scorer, so that endpoints are picked at random.',
  'unused-plugin': 'A plugin is listed but nothing refers to it, and it does nothing by itself.',
  'unknown-gate': 'A feature gate is unknown or its value is no boolean.',
  'removed-gate': 'A feature gate no longer exists; it has no effect.',
  'unavailable-feature': 'The feature is not available in this version.',
  'ineffective-section': 'A section has no effect as configured.',
  'missing-data': 'A plugin needs data, or its parameters name data, that no plugin produces.',
  'second-producer': 'A default producer was added beside a listed one of the same type.',
  'second-detector': 'A listed saturation detector is not the one that decides: none is named.',
  'dependency-cycle': 'Producers need each other in a circle.',
  'no-sources': 'Nothing reads metrics from the endpoints.',
} as const satisfies Record<string, string>;

export type ProblemCode = keyof typeof PROBLEM_CODES;

/** One mistake, or one thing worth knowing, in a configuration. */
export interface Problem extends Position {
  readonly severity: 'error' | 'warning';
  readonly code: ProblemCode;
  /** `plugins[2].parameters.threshold`; '' for the document itself. */
  readonly path: string;
  /** What, where, got, wanted; ends with the suggestion, if any. */
  readonly message: string;
  /** What was probably meant; undefined when nothing is close. */
  readonly suggestion: string | undefined;
}

/** Where a problem is. */
export interface Place {
  readonly path: Path;
  readonly at: Position;
}

/** Collects problems in the order in which they are found. */
export class ProblemList {
  readonly #problems: Problem[] = [];

  error(code: ProblemCode, place: Place, message: string, suggestion?: string): void {
    this.#add('error', code, place, message, suggestion);
  }

  warn(code: ProblemCode, place: Place, message: string, suggestion?: string): void {
    this.#add('warning', code, place, message, suggestion);
  }

  get hasErrors(): boolean {
    return this.#problems.some((problem) => problem.severity === 'error');
  }

  /** All of them, by place in the text. */
  sorted(): readonly Problem[] {
    return this.#problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  }

  #add(
    severity: Problem['severity'],
    code: ProblemCode,
    place: Place,
    message: string,
    suggestion: string | undefined,
  ): void {
    const path = pathText(place.path);
    const { line, column } = place.at;
    const text = suggestion === undefined ? message : `${message}; did you mean '${suggestion}'?`;
    this.#problems.push({ severity, code, path, line, column, message: text, suggestion });
  }
}

/** `LINE:COLUMN: error [code] message`, the form in which people read a problem. */
export function problemText(problem: Problem): string {
  return `${problem.line}:${problem.column}: ${problem.severity} [${problem.code}] ${problem.message}`;
}
