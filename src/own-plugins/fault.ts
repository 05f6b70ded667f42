import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** A place in a file; `column` is 0 where only the line is known. */
export interface FilePlace {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** `/dir/my-scorer.ts:3:7`; without column where it is not known. */
export function placeText({ file, line, column }: FilePlace): string {
  return column === 0 ? `${file}:${line}` : `${file}:${line}:${column}`;
}

/**
 * Where `error` says it happened: the line that did not parse, else the innermost frame of a file that is not the
 * program's own. Undefined when it does not say.
 */
export function placeOf(error: unknown): FilePlace | undefined {
  const lines = stackOf(error);
  return sourcePlace(lines) ?? lines.map(framePlace).find((place) => place !== undefined);
}

/** Files that appear in the stack of `error`, innermost first; those of Node.js left out. */
export function filesOf(error: unknown): readonly string[] {
  return stackOf(error).flatMap((line) => frameOf(line)?.file ?? []);
}

/** `message` of what was thrown, whatever it is; never throws. */
export function messageOf(error: unknown): string {
  try {
    return error instanceof Error ? String(error.message) : `threw ${String(error)}`;
  } catch {
    return 'threw an object that is no error'; // it cannot be read, or is no text
  }
}

/** Stack of what was thrown, else what there is of it; never throws. */
export function detailOf(error: unknown): string {
  const lines = stackOf(error);
  return lines.length === 0 ? messageOf(error) : lines.join('\n');
}

/** `message` of what was thrown, with its place behind it when it says one. */
export function faultText(error: unknown): string {
  const message = messageOf(error);
  const place = placeOf(error);
  return place === undefined ? message : `${message} (${placeText(place)})`;
}

/** Place of the first line of `file` that has `text`; line 1 when none has. */
export function placeOfText(file: string, text: string): FilePlace {
  let lines: readonly string[] = [];
  try {
    lines = readFileSync(file, 'utf8').split('\n');
  } catch {
    // a file that cannot be read has its own error
  }
  const i = lines.findIndex((line) => line.includes(text));
  return i < 0
    ? { file, line: 1, column: 0 }
    : { file, line: i + 1, column: (lines[i] ?? '').indexOf(text) + 1 };
}

/** Lines of its stack; none when it has none. What a plugin throws may be anything, a getter that throws for one. */
function stackOf(error: unknown): readonly string[] {
  try {
    const stack: unknown = error instanceof Error ? error.stack : undefined;
    return typeof stack === 'string' ? stack.split('\n') : [];
  } catch {
    return [];
  }
}

/** What Node.js puts before the stack of a text that does not parse or link: place, line, carets. */
function sourcePlace(lines: readonly string[]): FilePlace | undefined {
  const match = /^(file:\/\/.+|\/.+):(\d+)$/.exec(lines[0] ?? '');
  if (match === null) return undefined;
  const carets = lines.slice(1, 6).find((line) => /^\s*\^+\s*$/.test(line));
  return {
    file: pathOf(match[1] ?? ''),
    line: Number(match[2]),
    column: carets === undefined ? 0 : carets.indexOf('^') + 1,
  };
}

function framePlace(line: string): FilePlace | undefined {
  const place = frameOf(line);
  return place === undefined || isOfProgram(place.file) ? undefined : place;
}

function frameOf(line: string): FilePlace | undefined {
  const match = /^\s*at (?:.*\(|async )?(file:\/\/[^)]+?|\/[^)]+?):(\d+):(\d+)\)?$/.exec(line);
  return match === null
    ? undefined
    : { file: pathOf(match[1] ?? ''), line: Number(match[2]), column: Number(match[3]) };
}

function pathOf(place: string): string {
  try {
    return place.startsWith('file:') ? fileURLToPath(place) : place;
  } catch {
    return place; // a URL that is no path, in a text that only looks like a stack
  }
}

/** Folder of the program: `src/` or `dist/`. */
const PROGRAM = fileURLToPath(new URL('../', import.meta.url));

/** Whether `file` belongs to this program. */
export function isOfProgram(file: string): boolean {
  return file.startsWith(PROGRAM);
}
