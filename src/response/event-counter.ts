const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const DATA = Buffer.from('data:');
const DONE = Buffer.from('[DONE]');

/**
 * Counts the server-sent events of one stream as its chunks go by: lines that begin with `data:`, whose event is not
 * `[DONE]`. Where a chunk ends within the first bytes of a line, that line is counted with the next chunk. An event
 * whose data span several lines, which engines do not send, counts once a line.
 */
export class EventCounter {
  /** The first bytes of a line that is not complete, at most as long as `data: [DONE]`. */
  #start = '';
  #isInLine = false;

  /** Events that `chunk` brought; it is not kept. */
  push(chunk: Buffer): number {
    let events = 0;
    let at = 0;
    while (at < chunk.length) {
      const feed = chunk.indexOf(LINE_FEED, at);
      const end = feed < 0 ? chunk.length : feed;
      if (this.#isInLine || this.#start !== '') events += this.#resume(chunk, at, end, feed >= 0);
      else if (feed >= 0) events += isEvent(chunk, at, end) ? 1 : 0;
      else events += this.#begin(chunk, at, end);
      at = end + 1;
    }
    return events;
  }

  /** A line that this chunk does not end. */
  #begin(chunk: Buffer, from: number, to: number): number {
    if (to - from < DATA.length + DONE.length + 1) {
      this.#start = chunk.toString('latin1', from, to);
      return 0;
    }
    this.#isInLine = true;
    return isEvent(chunk, from, to) ? 1 : 0;
  }

  /** More of a line that an earlier chunk began. */
  #resume(chunk: Buffer, from: number, to: number, isEnd: boolean): number {
    let events = 0;
    if (!this.#isInLine) {
      const line = Buffer.from(this.#start + chunk.toString('latin1', from, to), 'latin1');
      this.#start = '';
      if (!isEnd) return this.#begin(line, 0, line.length);
      events = isEvent(line, 0, line.length) ? 1 : 0;
    }
    if (isEnd) this.#isInLine = false;
    return events;
  }
}

/** Whether the bytes `[from, to)`, the beginning of a line or all of it, are of an event that may hold a token. */
function isEvent(bytes: Buffer, from: number, to: number): boolean {
  for (let i = 0; i < DATA.length; i += 1) if (bytes[from + i] !== DATA[i]) return false;
  const last = bytes[to - 1] === CARRIAGE_RETURN ? to - 1 : to;
  const value = bytes[from + DATA.length] === 0x20 ? from + DATA.length + 1 : from + DATA.length;
  if (value >= last || last - value !== DONE.length) return value < last;
  for (let i = 0; i < DONE.length; i += 1) if (bytes[value + i] !== DONE[i]) return true;
  return false;
}
