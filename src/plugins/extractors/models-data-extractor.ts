import { z } from 'zod';
import type { Extractor } from '../../framework/data-source.ts';
import type { Endpoint } from '../../framework/endpoint.ts';
import { definePlugin } from '../../framework/plugin.ts';
import { SERVED_MODELS, type ServedModel } from '../attributes/models.ts';

/** What counts of the answer; other members may be anything. A wrong type makes the whole answer unusable. */
const answer = z.object({
  data: z
    .array(
      z.object({
        id: z.string(),
        object: z.string().nullish(),
        created: z.number().nullish(),
        owned_by: z.string().nullish(),
        parent: z.string().nullish(),
      }),
    )
    .nullish(),
});

/** What was last read of an endpoint: lists seldom change. */
interface LastPage {
  readonly bytes: Buffer;
  readonly models: readonly ServedModel[];
}

class ModelsDataExtractor implements Extractor {
  readonly payload = 'json-models';
  readonly #last = new WeakMap<Endpoint, LastPage>();

  extract(bytes: Uint8Array, endpoint: Endpoint): boolean {
    const last = this.#last.get(endpoint);
    if (last?.bytes.equals(bytes) !== true) {
      const models = read(bytes);
      this.#last.set(endpoint, { bytes: Buffer.from(bytes), models });
      endpoint.attributes.set(SERVED_MODELS, models);
    }
    return true;
  }
}

/** Throws `SyntaxError` for what is no list of models. */
function read(bytes: Uint8Array): readonly ServedModel[] {
  const parsed = answer.safeParse(JSON.parse(new TextDecoder().decode(bytes)));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SyntaxError(`no list of models: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  return (parsed.data.data ?? []).map((model) => ({
    id: model.id,
    object: model.object ?? '',
    created: model.created ?? 0,
    ownedBy: model.owned_by ?? '',
    parent: model.parent ?? '',
  }));
}

/** `models-data-extractor` (llm-d-router: pkg/epp/framework/plugins/datalayer/extractor/models). */
export const modelsDataExtractor = definePlugin<object, Extractor>({
  type: 'models-data-extractor',
  kinds: ['extractor'],
  stability: 'beta',
  summary: 'Reads which models an endpoint serves from its list of models.',
  params: z.strictObject({}),
  ignoresParameters: true,
  dependencies: () => ({ produces: [SERVED_MODELS] }),
  create: () => new ModelsDataExtractor(),
});
