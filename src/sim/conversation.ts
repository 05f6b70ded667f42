import { badField } from './api-error.ts';
import { assetKey, assetText, isMedia, isObject, type JsonObject } from './media.ts';

/** A conversation as the parts of its prompt, in the manner of a chat template. */
export class Conversation {
  readonly parts: string[] = [];
  /** Keys of the images and sounds in it. */
  readonly assets: string[] = [];

  /** Starts with the tools and the system prompt of a body. */
  constructor(fields: JsonObject) {
    if (fields['tools'] !== undefined) this.parts.push('<|tools|>', JSON.stringify(fields['tools']));
    const system = fields['system'] ?? fields['instructions'];
    if (system !== undefined && system !== null) this.#add('system', system);
  }

  /** Messages of a chat; throws `ApiError` when they are none. */
  addMessages(messages: unknown, fields: JsonObject): this {
    if (messages === undefined) throw badField('messages', 'missing', 'Field required', fields);
    if (!Array.isArray(messages)) {
      throw badField('messages', 'list_type', 'Input should be a valid list', messages);
    }
    for (const message of messages as readonly unknown[]) {
      if (!isObject(message)) {
        throw badField('messages', 'dict_type', 'Input should be a valid dictionary', message);
      }
      this.#add(String(message['role']), message['content']);
      if (message['tool_calls'] !== undefined) this.parts.push(JSON.stringify(message['tool_calls']));
    }
    return this;
  }

  /** `input` of a response: a text, or items of which those without a role stand for themselves. */
  addInput(input: unknown, fields: JsonObject): this {
    if (input === undefined) throw badField('input', 'missing', 'Field required', fields);
    if (typeof input === 'string') this.#add('user', input);
    else if (Array.isArray(input)) {
      for (const item of input as readonly unknown[]) {
        if (!isObject(item)) throw badField('input', 'dict_type', 'Input should be a valid dictionary', item);
        if (item['role'] === undefined) this.parts.push(JSON.stringify(item));
        else this.#add(String(item['role']), item['content']);
      }
    } else throw badField('input', 'string_type', 'Input should be a valid string', input);
    return this;
  }

  #add(role: string, content: unknown): void {
    this.parts.push(`<|${role}|>`);
    if (typeof content === 'string') this.parts.push(content);
    if (!Array.isArray(content)) return;
    for (const block of content as readonly unknown[]) {
      if (!isObject(block)) continue;
      const text = block['text'];
      if (typeof text === 'string') {
        this.parts.push(text);
        continue;
      }
      const key = assetKey(block);
      if (isMedia(block)) this.assets.push(key);
      this.parts.push(assetText(key));
    }
  }
}
