/** One way in which a value does not fit its schema. */
export interface Mismatch {
  /** `plugins[0].type`; '' for the value itself. */
  readonly path: string;
  readonly keyword: string;
}

type Schema = { readonly [keyword: string]: unknown };

/** Keywords that say nothing about what fits. */
const NOTES: ReadonlySet<string> = new Set([
  '$schema',
  'title',
  'description',
  'default',
  'deprecated',
  'format',
]);

type Check = (value: unknown, wanted: unknown, schema: Schema, path: string) => readonly Mismatch[];

const fits = (isFit: (value: unknown, wanted: unknown) => boolean, keyword: string): Check => {
  return (value, wanted, _schema, path) => (isFit(value, wanted) ? [] : [{ path, keyword }]);
};

const isObject = (value: unknown): value is Schema =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const number = (compare: (value: number, wanted: number) => boolean, keyword: string): Check =>
  fits((value, wanted) => typeof value !== 'number' || compare(value, Number(wanted)), keyword);
const length = (compare: (value: number, wanted: number) => boolean, keyword: string): Check =>
  fits((value, wanted) => !Array.isArray(value) || compare(value.length, Number(wanted)), keyword);

const TYPES: Readonly<Record<string, (value: unknown) => boolean>> = {
  string: (value) => typeof value === 'string',
  number: (value) => typeof value === 'number',
  integer: (value) => Number.isInteger(value),
  boolean: (value) => typeof value === 'boolean',
  object: isObject,
  array: (value) => Array.isArray(value),
  null: (value) => value === null,
};

/** Every keyword that the published schema may use; draft 7. */
const CHECKS: Readonly<Record<string, Check>> = {
  type: fits(
    (value, wanted) => [wanted].flat().some((type) => TYPES[String(type)]?.(value) === true),
    'type',
  ),
  enum: fits((value, wanted) => (wanted as unknown[]).includes(value), 'enum'),
  const: fits((value, wanted) => value === wanted, 'const'),
  minimum: number((value, wanted) => value >= wanted, 'minimum'),
  maximum: number((value, wanted) => value <= wanted, 'maximum'),
  exclusiveMinimum: number((value, wanted) => value > wanted, 'exclusiveMinimum'),
  exclusiveMaximum: number((value, wanted) => value < wanted, 'exclusiveMaximum'),
  minItems: length((value, wanted) => value >= wanted, 'minItems'),
  maxItems: length((value, wanted) => value <= wanted, 'maxItems'),
  minLength: fits(
    (value, wanted) => typeof value !== 'string' || value.length >= Number(wanted),
    'minLength',
  ),
  pattern: fits(
    (value, wanted) => typeof value !== 'string' || new RegExp(String(wanted)).test(value),
    'pattern',
  ),
  required: fits(
    (value, wanted) => !isObject(value) || (wanted as string[]).every((key) => Object.hasOwn(value, key)),
    'required',
  ),
  properties: (value, wanted, _schema, path) =>
    isObject(value)
      ? Object.entries(wanted as Record<string, Schema>).flatMap(([key, schema]) =>
          Object.hasOwn(value, key) ? mismatches(value[key], schema, join(path, key)) : [],
        )
      : [],
  additionalProperties: (value, wanted, schema, path) => {
    if (!isObject(value)) return [];
    const known = Object.keys((schema['properties'] ?? {}) as object);
    return Object.keys(value)
      .filter((key) => !known.includes(key))
      .flatMap((key) => below(value[key], wanted, join(path, key), 'additionalProperties'));
  },
  propertyNames: (value, wanted, _schema, path) =>
    isObject(value)
      ? Object.keys(value).flatMap((key) => mismatches(key, wanted as Schema, join(path, key)))
      : [],
  items: (value, wanted, _schema, path) =>
    Array.isArray(value)
      ? value.flatMap((item: unknown, i) => mismatches(item, wanted as Schema, `${path}[${i}]`))
      : [],
  anyOf: fits((value, wanted) => (wanted as Schema[]).some((one) => isValid(value, one)), 'anyOf'),
  oneOf: fits(
    (value, wanted) => (wanted as Schema[]).filter((one) => isValid(value, one)).length === 1,
    'oneOf',
  ),
  not: fits((value, wanted) => !isValid(value, wanted as Schema), 'not'),
  allOf: (value, wanted, _schema, path) =>
    (wanted as Schema[]).flatMap((one) => mismatches(value, one, path)),
  if: (value, wanted, schema, path) =>
    isValid(value, wanted as Schema) ? mismatches(value, schema['then'] as Schema, path) : [],
  // beside `if`
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema
  then: () => [],
};

/** Where and how `value` does not fit `schema`; throws for a keyword that the published schema has no business to use. */
export function mismatches(value: unknown, schema: Schema, path = ''): readonly Mismatch[] {
  return Object.entries(schema).flatMap(([keyword, wanted]) => {
    if (NOTES.has(keyword)) return [];
    const check = CHECKS[keyword];
    if (check === undefined) throw new Error(`keyword '${keyword}' is not looked at`);
    return check(value, wanted, schema, path);
  });
}

function isValid(value: unknown, schema: Schema): boolean {
  return mismatches(value, schema).length === 0;
}

function below(value: unknown, wanted: unknown, path: string, keyword: string): readonly Mismatch[] {
  if (wanted === false) return [{ path, keyword }];
  return wanted === true ? [] : mismatches(value, wanted as Schema, path);
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`;
}
