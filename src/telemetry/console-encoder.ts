import type { DestinationStream } from 'pino';

/** Colours by level (ANSI select graphic rendition). */
const COLORS: ReadonlyMap<string, number> = new Map([
  ['fatal', 35],
  ['error', 31],
  ['warn', 33],
  ['info', 34],
  ['debug', 36],
  ['trace', 90],
]);

/** Turns JSON lines into lines for people: time, level, logger, message, fields; a stack trace below. */
export class ConsoleEncoder implements DestinationStream {
  readonly #output: DestinationStream;
  readonly #hasColors: boolean;

  constructor(output: DestinationStream, options: { readonly hasColors: boolean }) {
    this.#output = output;
    this.#hasColors = options.hasColors;
  }

  write(line: string): void {
    const { ts, level, logger, msg, stacktrace, ...fields } = JSON.parse(line) as Record<string, unknown>;
    const parts = [String(ts), this.#paint(String(level))];
    if (logger !== undefined) parts.push(String(logger));
    parts.push(String(msg ?? ''));
    if (Object.keys(fields).length > 0) parts.push(JSON.stringify(fields));
    const trace = typeof stacktrace === 'string' ? `\n${stacktrace}` : '';
    this.#output.write(`${parts.join('\t')}${trace}\n`);
  }

  #paint(level: string): string {
    const name = level.toUpperCase();
    return this.#hasColors ? `\u001b[${COLORS.get(level) ?? 0}m${name}\u001b[0m` : name;
  }
}
