import { describe, expect, test } from 'vitest';
import { assetKey, distinctMedia, isMedia } from './media.ts';

const image = (url: string) => ({ type: 'image_url', image_url: { url } });
const sound = { type: 'input_audio', input_audio: { data: 'aaaa', format: 'wav' } };
const chat = (...content: unknown[]) => ({ messages: [{ role: 'user', content }] });

describe('distinctMedia', () => {
  test.each([
    { name: 'a text', body: { messages: [{ role: 'user', content: 'hello' }] }, want: [] },
    { name: 'no messages', body: { prompt: 'hello' }, want: [] },
    { name: 'messages that are none', body: { messages: [1, { content: [2, null] }] }, want: [] },
    {
      name: 'a text part and an image',
      body: chat({ type: 'text', text: 'a' }, image('a')),
      want: [image('a')],
    },
    { name: 'one URL twice', body: chat(image('a'), image('b'), image('a')), want: [image('a'), image('b')] },
    { name: 'one sound twice', body: chat(sound, sound), want: [sound, sound] },
  ])('$name', ({ body, want }) => {
    expect(distinctMedia(body)).toEqual(want);
  });

  test('items of several messages, in order', () => {
    const [one, two] = [chat(image('a')), chat(image('b'), image('a'))];
    expect(distinctMedia({ messages: [...one.messages, ...two.messages] })).toEqual([image('a'), image('b')]);
  });
});

test('an asset has its key, whatever stands around it', () => {
  expect(assetKey(image('a'))).toBe(assetKey(image('a')));
  expect(assetKey(image('a'))).not.toBe(assetKey(image('b')));
  expect(isMedia({ type: 'text', text: 'a' })).toBe(false);
});
