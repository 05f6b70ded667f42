import type { JsonObject, ParsedBody } from '../../../framework/body.ts';
import type { Headers } from '../../../framework/headers.ts';
import type { PromptTokens } from '../../attributes/tokenized-prompt.ts';
import { audioTokens, imageTokens, videoTokens } from './media-size.ts';
import type { EstimateSettings } from './params.ts';
import type { TokenPacker } from './token-packer.ts';

/** System blocks of Anthropic clients that start so differ from request to request and say nothing. */
const BILLING_HEADER = 'x-anthropic-billing-header';

/**
 * Writes what a model would read of a request into a packer, part by part and without separators.
 * llm-d-router: pkg/epp/framework/plugins/requestcontrol/dataproducer/tokenizer (backend `estimate`)
 */
export class PromptText {
  readonly #packer: TokenPacker;
  readonly #settings: EstimateSettings;

  constructor(packer: TokenPacker, settings: EstimateSettings) {
    this.#packer = packer;
    this.#settings = settings;
  }

  /** The prompts of a request that came as text; none for bodies without prompt. */
  prompts(body: ParsedBody, headers: Headers): readonly PromptTokens[] {
    const { json } = body;
    if (json === undefined) return [];
    this.#packer.begin(body.longTexts);
    switch (body.api) {
      case 'completions':
        return this.#texts(json['prompt']);
      case 'generate':
        return this.#texts(json['text'] ?? json['prompt']);
      case 'embeddings':
        return this.#texts(json['input']);
      case 'chat':
        this.#chat(json, headers);
        break;
      case 'messages':
        this.#messages(json);
        break;
      case 'responses':
        this.#responses(json);
        break;
      case 'conversations':
        if (json['items'] !== undefined) this.#packer.items(json['items']);
        break;
      case 'images':
      case 'opaque':
        return [];
      default:
        return body.api satisfies never;
    }
    const prompt = this.#packer.finish();
    return prompt === undefined ? [] : [prompt];
  }

  /** One prompt for a string, one for each of several. */
  #texts(value: unknown): readonly PromptTokens[] {
    const prompts: PromptTokens[] = [];
    for (const text of Array.isArray(value) ? value : [value]) {
      if (typeof text !== 'string') continue;
      this.#packer.text(text);
      const prompt = this.#packer.finish();
      if (prompt !== undefined) prompts.push(prompt);
    }
    return prompts;
  }

  #chat(json: JsonObject, headers: Headers): void {
    this.#tools(json['tools']);
    for (const message of objects(json['messages'])) {
      this.#string(message['role']);
      this.#string(message['reasoning_content'] ?? message['reasoning']);
      const content = message['content'];
      if (typeof content === 'string') this.#packer.text(content);
      else for (const block of objects(content)) this.#chatBlock(block, headers);
      for (const call of objects(message['tool_calls'])) {
        this.#string(call['id']);
        const called = object(call['function']);
        this.#string(called['name']);
        this.#string(called['arguments']);
      }
    }
  }

  #chatBlock(block: JsonObject, headers: Headers): void {
    switch (block['type']) {
      case 'image_url':
        this.#image(url(block['image_url']), false);
        break;
      case 'video_url':
        this.#packer.media('video', url(block['video_url']), videoTokens(headers, this.#settings.video));
        break;
      case 'audio_url':
        this.#audio(url(block['audio_url']));
        break;
      case 'input_audio': {
        const { data, format } = object(block['input_audio']);
        this.#audio(string(data) + string(format));
        break;
      }
      default:
        this.#string(block['text']);
    }
  }

  #messages(json: JsonObject): void {
    this.#tools(json['tools']);
    const system = json['system'];
    if (typeof system === 'string') this.#packer.text(system);
    else {
      for (const block of objects(system)) {
        const text = string(block['text']);
        if (!text.startsWith(BILLING_HEADER)) this.#packer.text(text);
      }
    }
    for (const message of objects(json['messages'])) {
      this.#string(message['role']);
      const content = message['content'];
      if (typeof content === 'string') this.#packer.text(content);
      else for (const block of objects(content)) this.#messagesBlock(block);
    }
  }

  #messagesBlock(block: JsonObject): void {
    switch (block['type']) {
      case 'text':
        this.#string(block['text']);
        break;
      case 'image':
        this.#imageSource(block['source']);
        break;
      case 'thinking':
        this.#string(block['thinking']);
        break;
      case 'tool_use':
        this.#string(block['id']);
        this.#string(block['name']);
        if (block['input'] !== undefined) this.#packer.json(block['input']);
        break;
      case 'tool_result':
        this.#toolResult(block['content']);
        break;
    }
  }

  /** Texts, one to a line, then images. */
  #toolResult(content: unknown): void {
    if (typeof content === 'string') {
      this.#packer.text(content);
      return;
    }
    const blocks = objects(content);
    let isFirst = true;
    for (const { type, text } of blocks) {
      if (type !== 'text') continue;
      if (!isFirst) this.#packer.text('\n');
      isFirst = false;
      this.#string(text);
    }
    for (const { type, source } of blocks) if (type === 'image') this.#imageSource(source);
  }

  #responses(json: JsonObject): void {
    this.#packer.text('[');
    for (const name of ['instructions', 'tools', 'input'] as const) {
      const value = json[name];
      if (name !== 'input' && (value === undefined || value === null)) continue;
      this.#packer.text('{"');
      this.#packer.text(name);
      this.#packer.text('":');
      this.#packer.items(value);
      this.#packer.text(name === 'input' ? '}' : '},');
    }
    this.#packer.text(']');
  }

  #tools(tools: unknown): void {
    if (Array.isArray(tools) && tools.length > 0) this.#packer.json(tools);
  }

  #imageSource(source: unknown): void {
    const { url: address, data } = object(source);
    const isBase64 = string(address) === '';
    this.#image(isBase64 ? string(data) : string(address), isBase64);
  }

  #image(content: string, isBase64: boolean): void {
    this.#packer.media('image', content, imageTokens(content, isBase64, this.#settings.image));
  }

  #audio(content: string): void {
    this.#packer.media('audio', content, audioTokens(content));
  }

  #string(value: unknown): void {
    if (typeof value === 'string') this.#packer.text(value);
  }
}

function string(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

const NOTHING: JsonObject = Object.freeze({});

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function object(value: unknown): JsonObject {
  return isObject(value) ? value : NOTHING;
}

/** The objects in an array; none when it is no array. */
function objects(value: unknown): readonly JsonObject[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

/** `{ url }`, or the URL itself as some clients send it. */
function url(value: unknown): string {
  return string(typeof value === 'string' ? value : object(value)['url']);
}
