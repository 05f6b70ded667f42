import { Environment } from '@marcbachmann/cel-js';
import { z } from 'zod';
import type { ResponseBodyHook } from '../../framework/hooks.ts';
import { definePlugin } from '../../framework/plugin.ts';
import type { InferenceRequest } from '../../framework/request.ts';
import type { InferenceResponse, MetadataEntry, Usage } from '../../framework/response.ts';

const DEFAULT_NAMESPACE = 'envoy.lb';

/** Counts are doubles in CEL and literals often whole numbers; expressions may mix both. */
const ARITHMETIC = {
  '+': (a: number, b: number) => a + b,
  '-': (a: number, b: number) => a - b,
  '*': (a: number, b: number) => a * b,
  '/': (a: number, b: number) => a / b,
} as const;

const ENVIRONMENT = environment();

/** A compiled expression over `usage`. */
type Program = (context: { readonly usage: object }) => unknown;

const expression = z
  .string()
  .min(1)
  .superRefine((text, issues) => check(text, ['int', 'uint', 'double', 'dyn'], issues));
const condition = z.string().superRefine((text, issues) => {
  if (text !== '') check(text, ['bool', 'dyn'], issues);
});

const params = z.strictObject({
  attributes: z
    .array(
      z.strictObject({
        key: z
          .strictObject({
            name: z.string().min(1).describe('Key of the value in its namespace.'),
            namespace: z.string().default(DEFAULT_NAMESPACE).describe('Namespace of the dynamic metadata.'),
          })
          .describe('Where the value goes.'),
        expression: expression.describe('CEL over `usage` that gives a number.'),
        condition: condition.default('').describe('CEL over `usage`; false: nothing is written.'),
      }),
    )
    .length(1)
    .describe('What is written: exactly one.'),
});

/**
 * Tells the data plane a number made of the response's token counts, as dynamic metadata with the last part of the
 * response. Evaluated once, when usage is final. What cannot be evaluated is not written.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/requestattributereporter
 */
class RequestAttributeReporter implements ResponseBodyHook {
  readonly #namespace: string;
  readonly #key: string;
  readonly #expression: Program;
  readonly #condition: Program | undefined;

  constructor(attribute: z.infer<typeof params>['attributes'][number]) {
    this.#namespace = attribute.key.namespace || DEFAULT_NAMESPACE;
    this.#key = attribute.key.name;
    this.#expression = compile(attribute.expression);
    this.#condition = attribute.condition === '' ? undefined : compile(attribute.condition);
  }

  finalMetadata(_request: InferenceRequest, { usage }: InferenceResponse): MetadataEntry | undefined {
    if (Number.isNaN(usage.promptTokens) && Number.isNaN(usage.completionTokens)) return undefined;
    const context = { usage: usageObject(usage) };
    if (this.#condition !== undefined && this.#condition(context) !== true) return undefined;
    const result = this.#expression(context);
    if (typeof result !== 'number' && typeof result !== 'bigint') {
      throw new TypeError(`the expression gave a ${typeof result}, wanted a number`);
    }
    const value = Math.trunc(Number(result));
    if (value === 0 || !Number.isFinite(value)) return undefined;
    return { namespace: this.#namespace, key: this.#key, value };
  }

  /** Everything is told before. */
  responseComplete(): void {}
}

/** Token counts as the model server's APIs name them; 0 for those it did not report. */
function usageObject({ promptTokens, completionTokens, totalTokens, cachedTokens }: Usage): object {
  return {
    prompt_tokens: promptTokens || 0,
    completion_tokens: completionTokens || 0,
    total_tokens: totalTokens || 0,
    ...(!Number.isNaN(cachedTokens) && { prompt_tokens_details: { cached_tokens: cachedTokens } }),
  };
}

function environment(): Environment {
  const made = new Environment();
  for (const [operator, apply] of Object.entries(ARITHMETIC)) {
    const onNumbers = (a: number | bigint, b: number | bigint) => apply(Number(a), Number(b));
    made.registerOperator(`double ${operator} int: double`, onNumbers);
    made.registerOperator(`int ${operator} double: double`, onNumbers);
  }
  return made.registerVariable('usage', 'map');
}

function check(text: string, types: readonly string[], issues: z.RefinementCtx): void {
  let fault: string | undefined;
  try {
    const { valid, type, error } = ENVIRONMENT.parse(text).check();
    if (!valid) fault = firstLine(error);
    else if (!types.includes(String(type))) fault = `it gives ${String(type)}, want ${types[0] ?? ''}`;
  } catch (error) {
    fault = firstLine(error);
  }
  if (fault !== undefined)
    issues.addIssue({ code: 'custom', message: `is no valid CEL expression: ${fault}` });
}

/** Messages of the evaluator show the expression below their first line. */
function firstLine(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).split('\n', 1)[0] ?? '';
}

function compile(text: string): Program {
  return ENVIRONMENT.parse(text);
}

/** `request-attribute-reporter`. */
export const requestAttributeReporter = definePlugin({
  type: 'request-attribute-reporter',
  kinds: ['response-body'],
  stability: 'beta',
  summary:
    'Tells the data plane a number made of token counts, as dynamic metadata at the end of the response.',
  params,
  create(config) {
    const [attribute] = config.attributes;
    if (attribute === undefined) throw new TypeError('the schema lets no empty list through');
    return new RequestAttributeReporter(attribute);
  },
});
