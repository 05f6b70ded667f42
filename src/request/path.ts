import type { Headers } from '../framework/headers.ts';
import type { Log } from '../framework/log.ts';
import type { Parser } from '../framework/parser.ts';
import type { Named } from '../framework/plugin.ts';

/** Where the path is looked for, first non-empty wins (llm-d-router: pkg/epp/handlers). */
const PATH_HEADERS = [':path', 'x-original-path', 'x-forwarded-path'] as const;
const DEFAULT_PATH = '/v1/completions';

/** Path of a request without query, surrounding white space and one trailing slash. */
export function normalizePath(headers: Headers): string {
  let path = '';
  for (const name of PATH_HEADERS) {
    path = headers.get(name) ?? '';
    if (path !== '') break;
  }
  if (path === '') return DEFAULT_PATH;
  const query = path.indexOf('?');
  if (query >= 0) path = path.slice(0, query);
  path = path.trim();
  return path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path;
}

/** One claimed path ending. */
interface Claim {
  readonly suffix: string;
  readonly parser: Named<Parser>;
}

/** Which parser understands which path. */
export class ParserRegistry {
  /** Longest suffix first; of equal ones the earlier parser's first. */
  readonly #claims: readonly Claim[];
  readonly #fallback: Named<Parser> | undefined;

  /**
   * `parsers` in configuration order. The first that claims no path is the fallback and ends the list; a second
   * one of a type is skipped; both with a warning (llm-d-router: pkg/epp/handlers).
   */
  constructor(parsers: readonly Named<Parser>[], log: Log) {
    const claims: Claim[] = [];
    const types = new Set<string>();
    let fallback: Named<Parser> | undefined;
    for (const parser of parsers) {
      if (fallback !== undefined) {
        log.warn({ plugin: parser.name, fallback: fallback.name }, 'parser after the fallback is skipped');
        continue;
      }
      if (types.has(parser.type)) {
        log.warn({ plugin: parser.name, pluginType: parser.type }, 'second parser of a type is skipped');
        continue;
      }
      types.add(parser.type);
      const suffixes = parser.plugin.pathSuffixes.map(trimSuffix).filter((suffix) => suffix !== '');
      if (suffixes.length === 0) fallback = parser;
      for (const suffix of suffixes) claims.push({ suffix, parser });
    }
    this.#claims = claims.sort((a, b) => b.suffix.length - a.suffix.length);
    this.#fallback = fallback;
  }

  /**
   * Parser of a normalised path: the one with the longest suffix that ends it at a segment boundary, else the
   * fallback; undefined when there is none.
   */
  resolve(path: string): Named<Parser> | undefined {
    for (const { suffix, parser } of this.#claims) {
      if (path.endsWith(suffix) && isBoundary(path, path.length - suffix.length)) return parser;
    }
    return this.#fallback;
  }
}

function trimSuffix(suffix: string): string {
  return suffix.trim().replace(/^\/+|\/+$/g, '');
}

/** A suffix begins the path, a segment, or the service name behind a gRPC package prefix. */
function isBoundary(path: string, start: number): boolean {
  if (start === 0) return true;
  const before = path[start - 1];
  return before === '/' || before === '.';
}
