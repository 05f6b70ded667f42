/** How a server misbehaves on purpose. */
export type Fault =
  | { readonly mode: 'none' }
  /** Cuts the connection as soon as the request is there. */
  | { readonly mode: 'refuse' }
  /** Takes the request and never answers. */
  | { readonly mode: 'hang' }
  /** Cuts the connection after this many tokens of the answer. */
  | { readonly mode: 'die'; readonly afterTokens: number }
  /** Answers with this status. */
  | { readonly mode: 'status'; readonly status: number };

/** A fault, where it shows, and how often. */
export interface FaultSetting {
  readonly fault: Fault;
  /** `inference`: generation requests only. `all`: also models, health and metrics. */
  readonly scope: 'inference' | 'all';
  /** Requests it still hits; infinite until it is switched off. */
  readonly count: number;
}

/** Behaves well. */
export const NO_FAULT: FaultSetting = { fault: { mode: 'none' }, scope: 'inference', count: Infinity };

/** Reads the body of `POST /sim/fault`; undefined when it is none. */
export function parseFault(text: string): FaultSetting | undefined {
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof fields !== 'object' || fields === null) return undefined;
  const { mode, afterTokens, status, scope, count } = fields as Record<string, unknown>; // narrowed by typeof below
  const fault = parseMode(mode, afterTokens, status);
  if (fault === undefined) return undefined;
  return {
    fault,
    scope: scope === 'all' ? 'all' : 'inference',
    count: typeof count === 'number' && count >= 0 ? count : Infinity,
  };
}

function parseMode(mode: unknown, afterTokens: unknown, status: unknown): Fault | undefined {
  switch (mode) {
    case 'none':
    case 'refuse':
    case 'hang':
      return { mode };
    case 'die':
      return { mode, afterTokens: typeof afterTokens === 'number' ? afterTokens : 1 };
    case 'status':
      return {
        mode,
        status:
          typeof status === 'number' && Number.isInteger(status) && status >= 400 && status <= 599
            ? status
            : 503,
      };
    default:
      return undefined;
  }
}
