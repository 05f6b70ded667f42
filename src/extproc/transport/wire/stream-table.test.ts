import { describe, expect, test } from 'vitest';
import { FakeStreamOwner, openStream } from '../../../../test/support/wire-stream.ts';
import type { WireStream } from './stream.ts';
import { StreamTable } from './stream-table.ts';

/** A table with streams 1, 3, 5, …, and the ids of those that are unblocked or relieved, in order. */
function table(count: number) {
  const owner = new FakeStreamOwner();
  const streams = new StreamTable();
  const calls: number[] = [];
  const all = Array.from({ length: count }, (_, i) => {
    const { stream } = openStream({ owner, id: 2 * i + 1 });
    stream.unblock = () => calls.push(stream.id);
    stream.relieved = () => calls.push(stream.id);
    streams.add(stream);
    return stream;
  });
  return { streams, all, calls };
}

const ids = (streams: Iterable<WireStream>) => [...streams].map(({ id }) => id);

test('streams are there until they are deleted', () => {
  const { streams, all } = table(3);
  const [first, second] = all;
  expect(streams.size).toBe(3);
  expect(streams.get(3)).toBe(second);
  expect(new Set(ids(streams.all()))).toEqual(new Set([1, 3, 5]));
  if (first === undefined) throw new Error('unreachable');
  expect(streams.delete(first)).toBe(true);
  expect(streams.delete(first)).toBe(false);
  expect(streams.size).toBe(2);
  expect(streams.get(1)).toBeUndefined();
});

test('the last 64 that ended are remembered', () => {
  const { streams, all } = table(70);
  expect(streams.hasEnded(1)).toBe(false);
  for (const stream of all.slice(0, 64)) streams.delete(stream);
  expect([1, 127, 129].map((id) => streams.hasEnded(id))).toEqual([true, true, false]);
  for (const stream of all.slice(64)) streams.delete(stream);
  expect([1, 11, 13, 129].map((id) => streams.hasEnded(id))).toEqual([false, false, true, true]);
});

test('those that linger are overdue in the order in which they began', () => {
  const { streams, all } = table(4);
  all.forEach((stream, i) => {
    stream.lingersSinceMs = 100 * i;
    if (i !== 1) streams.linger(stream);
  });
  expect(ids(streams.overdue(-1))).toEqual([]);
  expect(ids(streams.overdue(200))).toEqual([1, 5]);
  // Deleted while they are visited, as they are.
  for (const stream of streams.overdue(200)) streams.delete(stream);
  expect(ids(streams.overdue(1000))).toEqual([7]);
});

describe('blocked streams', () => {
  test('go on in order while there is a window; one that is blocked again is the last', () => {
    const { streams, all, calls } = table(4);
    let windows = 2;
    for (const stream of all) {
      streams.block(stream);
      stream.unblock = () => {
        calls.push(stream.id);
        windows -= 1;
        if (stream.id === 1) streams.block(stream);
      };
    }
    streams.unblock(() => windows > 0);
    expect(calls.splice(0)).toEqual([1, 3]);
    windows = 3;
    streams.unblock(() => windows > 0);
    expect(calls.splice(0)).toEqual([5, 7, 1]);
    windows = 1;
    streams.unblock(() => windows > 0);
    expect(calls).toEqual([1]);
  });

  test('that are deleted, even by one that goes on, do not', () => {
    const { streams, all, calls } = table(3);
    for (const stream of all) streams.block(stream);
    const [first, second] = all;
    if (first === undefined || second === undefined) throw new Error('unreachable');
    first.unblock = () => streams.delete(second);
    let windows = 1;
    streams.unblock(() => windows-- > 0);
    streams.unblock(() => true);
    expect(calls).toEqual([5]);
  });

  test('cost nothing while there is no window', () => {
    const { streams, all, calls } = table(2);
    for (const stream of all) streams.block(stream);
    let asked = 0;
    streams.unblock(() => {
      asked += 1;
      return false;
    });
    expect([asked, calls]).toEqual([1, []]);
  });
});

test('congested streams are relieved once; one that is congested again waits for the next time', () => {
  const { streams, all, calls } = table(3);
  for (const stream of all) streams.congest(stream);
  const [first, , third] = all;
  if (first === undefined || third === undefined) throw new Error('unreachable');
  first.relieved = () => {
    calls.push(1);
    streams.congest(first);
  };
  streams.delete(third);
  streams.relieve();
  expect(calls.splice(0)).toEqual([1, 3]);
  streams.relieve();
  expect(calls).toEqual([1]);
});
