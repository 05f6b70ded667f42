import { type AttributeKey, attributeKey } from '../../framework/attribute.ts';

/** A model as `/v1/models` of an OpenAI-compatible server lists it. */
export interface ServedModel {
  readonly id: string;
  /** Mostly `model`; '' when the server does not say. */
  readonly object: string;
  /** Unix time in seconds; 0 when the server does not say. */
  readonly created: number;
  /** '' when the server does not say. */
  readonly ownedBy: string;
  /** Of a LoRA adapter: the model it adapts; '' for others. */
  readonly parent: string;
}

/** On the endpoint: models it serves, in the server's order; undefined before it was asked. */
export const SERVED_MODELS: AttributeKey<readonly ServedModel[]> = attributeKey(
  '/v1/models',
  'models-data-extractor',
);
