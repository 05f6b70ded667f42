import fc from 'fast-check';
import { expect, test } from 'vitest';
import { anyCuts, singleBytes, splitAt } from '../../test/support/chunks.ts';
import { EventCounter } from './event-counter.ts';

function countOf(chunks: readonly Buffer[]): number {
  const counter = new EventCounter();
  return chunks.reduce((sum, chunk) => sum + counter.push(chunk), 0);
}

const STREAM = 'data: {"choices":[{"delta":{"content":"a"}}]}\n\n';

test.each([
  { name: 'nothing', text: '', want: 0 },
  { name: 'one event', text: STREAM, want: 1 },
  { name: 'three and the end', text: `${STREAM.repeat(3)}data: [DONE]\n\n`, want: 3 },
  { name: 'lines that end in CRLF', text: 'data: {}\r\n\r\ndata: [DONE]\r\n\r\n', want: 1 },
  { name: 'no space after the colon', text: 'data:{}\n\ndata:[DONE]\n\n', want: 1 },
  {
    name: 'named events, as the Messages API has them',
    text: 'event: message_start\ndata: {}\n\nevent: ping\ndata: {"a":1}\n\n',
    want: 2,
  },
  { name: 'comments and empty data', text: ': keep-alive\n\ndata:\n\ndata: \n\nid: 1\n\n', want: 0 },
  { name: 'data inside a line', text: 'x data: {}\n\n', want: 0 },
  { name: 'six other letters', text: 'data: [NONE]\n\n', want: 1 },
])('events: $name, however it is cut', ({ text, want }) => {
  const bytes = Buffer.from(text);
  expect(countOf([bytes])).toBe(want);
  expect(countOf(singleBytes(bytes))).toBe(want);
  fc.assert(
    fc.property(anyCuts, (cuts) => {
      expect(countOf(splitAt(bytes, cuts))).toBe(want);
    }),
  );
});
