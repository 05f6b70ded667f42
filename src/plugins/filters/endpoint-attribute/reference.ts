import { z } from 'zod';
import type { AttributeKey } from '../../../framework/attribute.ts';
import type { Endpoint } from '../../../framework/endpoint.ts';
import { DEFAULT_SCALAR_PRODUCER, scalarKey } from '../../attributes/scalar.ts';

/** Parameters that name one numeric attribute of endpoints; `checkReference` says whether they do. */
export const referenceParams = {
  attribute: z.string().optional().describe('Name of the attribute; this or attributeKey is required.'),
  attributeKey: z.string().optional().describe('The same under its other name.'),
  producer: z
    .string()
    .optional()
    .describe(
      `Name of the plugin that writes the attribute; ${DEFAULT_SCALAR_PRODUCER} when absent, empty for an attribute without producer.`,
    ),
};

interface Reference {
  readonly attribute?: string | undefined;
  readonly attributeKey?: string | undefined;
  readonly producer?: string | undefined;
}

/** Reports a reference that names no attribute, two, or one with its producer in the name. */
export function checkReference(
  value: Reference,
  report: (member: keyof Reference, message: string) => void,
  own: 'attribute' | 'attributeKey',
): void {
  const name = nameOf(value);
  const member = value[own] || name === '' ? own : otherName(own);
  if (name === '') {
    report(own, 'want the name of an attribute');
  } else if ((value.attribute || name) !== (value.attributeKey || name)) {
    report(otherName(own), `want the value of ${own}, of which this is another name`);
  } else if (name.includes('/') && value.producer === undefined) {
    const split = name.lastIndexOf('/');
    report(
      member,
      `want a name without slash, or a producer: write ${member}: '${name.slice(0, split)}' and producer: '${name.slice(split + 1)}', or producer: '' when the slash belongs to the name`,
    );
  }
}

/** Key of the attribute that checked parameters name. */
export function referencedKey(value: Reference): AttributeKey<unknown> {
  return scalarKey(nameOf(value), value.producer ?? DEFAULT_SCALAR_PRODUCER);
}

/** The number under `key`; NaN when there is none. */
export function numberOf(endpoint: Endpoint, key: AttributeKey<unknown>): number {
  const value = endpoint.attributes.get(key);
  return typeof value === 'number' ? value : Number.NaN;
}

function nameOf(value: Reference): string {
  return value.attribute || value.attributeKey || '';
}

function otherName(own: 'attribute' | 'attributeKey'): 'attribute' | 'attributeKey' {
  return own === 'attribute' ? 'attributeKey' : 'attribute';
}
