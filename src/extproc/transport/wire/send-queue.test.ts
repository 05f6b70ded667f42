import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteStore, SendQueue } from './send-queue.ts';

/** Takes `size` bytes. */
function take(queue: SendQueue, size: number): string {
  const target = Buffer.alloc(size + 2, 0xee);
  queue.take(target, 1, size);
  expect([target[0], target.at(-1)]).toEqual([0xee, 0xee]);
  return target.toString('latin1', 1, size + 1);
}

describe('SendQueue', () => {
  test('gives back what was put in, in order, whatever is taken when and written over afterwards', () => {
    const message = fc.record({
      parts: fc.array(fc.string({ unit: 'binary-ascii', maxLength: 30 }), { maxLength: 4 }),
      takenBefore: fc.nat({ max: 60 }),
      takenAfter: fc.nat({ max: 60 }),
    });
    fc.assert(
      fc.property(fc.array(message, { maxLength: 40 }), (script) => {
        const queue = new SendQueue();
        let put = '';
        let taken = '';
        for (const { parts, takenBefore, takenAfter } of script) {
          const buffers = parts.map((part) => Buffer.from(part, 'latin1'));
          queue.borrow(...buffers);
          put += parts.join('');
          taken += take(queue, Math.min(takenBefore, queue.bytes));
          queue.own();
          for (const buffer of buffers) buffer.fill(0xff);
          taken += take(queue, Math.min(takenAfter, queue.bytes));
          expect(queue.bytes).toBe(put.length - taken.length);
        }
        expect(taken + take(queue, queue.bytes)).toBe(put);
      }),
    );
  });

  test('takes no more than there is', () => {
    const queue = new SendQueue();
    queue.borrow(Buffer.from('abc'));
    expect(() => queue.take(Buffer.alloc(9), 0, 4)).toThrow(new RangeError('1 bytes more than wait'));
  });

  test('is empty after clear, and goes on', () => {
    const queue = new SendQueue();
    queue.borrow(Buffer.from('abc'));
    queue.own();
    take(queue, 1);
    queue.clear();
    expect(queue.bytes).toBe(0);
    queue.borrow(Buffer.from('d'));
    expect(take(queue, 1)).toBe('d');
  });

  test('keeps no memory of what has left, though it is never empty', () => {
    const queue = new SendQueue();
    const chunk = Buffer.alloc(64 * 1024);
    const target = Buffer.alloc(chunk.length);
    queue.borrow(chunk);
    queue.own();
    const before = process.memoryUsage().arrayBuffers;
    // 1.3 GB in all.
    for (let i = 0; i < 20_000; i += 1) {
      queue.borrow(chunk);
      queue.own();
      queue.take(target, 0, chunk.length);
    }
    expect(queue.bytes).toBe(chunk.length);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(300 << 20);
  });
});

describe('ByteStore', () => {
  test('holds what was added and not taken from its beginning', () => {
    const step = fc.record({ bytes: fc.uint8Array({ maxLength: 900 }), taken: fc.nat({ max: 1000 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const store = new ByteStore();
        const given: [Buffer, string][] = [];
        let want = Buffer.alloc(0);
        for (const { bytes, taken } of steps) {
          const around = Buffer.from([1, ...bytes, 2]);
          store.add(around, 1, around.length - 1);
          want = Buffer.concat([want, bytes]);
          expect(store.length).toBe(want.length);
          expect(store.bytes.subarray(store.start, store.end).equals(want)).toBe(true);
          const size = Math.min(taken, store.length);
          const part = store.bytes.subarray(store.start, store.start + size);
          given.push([part, part.toString('hex')]);
          store.start += size;
          want = want.subarray(size);
        }
        for (const [part, hex] of given) expect(part.toString('hex')).toBe(hex);
      }),
    );
  });
});
