import { expect, test } from 'vitest';
import { PageError, PageScanner } from '../../../util/prometheus-text.ts';
import { ScalarPick } from './scalar-pick.ts';

/** Counts how often it is asked for a label. */
class CountingScanner extends PageScanner {
  lookUps = 0;

  override label(name: Buffer): string | undefined {
    this.lookUps += 1;
    return super.label(name);
  }
}

/** Has `pick` read a page on which each of `engines` engines has two samples of value 1. */
function offerAll(pick: ScalarPick, engines: number): CountingScanner {
  const lines: string[] = [];
  for (let i = 0; i < 2 * engines; i += 1) lines.push(`m{engine="${i % engines}"} 1\n`);
  const scanner = new CountingScanner(['m']);
  pick.reset();
  scanner.open(Buffer.from(lines.join('')));
  while (scanner.next() >= 0) pick.offer(scanner);
  return scanner;
}

test('1024 engines are added up, each once, and the next page begins anew', () => {
  const pick = new ScalarPick('sum');
  offerAll(pick, 1024);
  expect(pick.value).toBe(1024);
  offerAll(pick, 3);
  expect(pick.value).toBe(3);
});

test('a page of 40,000 engines is given up at the first one too many', () => {
  const pick = new ScalarPick('sum');
  const scanner = new CountingScanner(['m']);
  const lines: string[] = [];
  for (let i = 0; i < 40_000; i += 1) lines.push(`m{engine="${i}"} 1\n`);
  scanner.open(Buffer.from(lines.join('')));
  const read = () => {
    while (scanner.next() >= 0) pick.offer(scanner);
  };
  expect(read).toThrow(new PageError('metrics page: more than 1024 engines in one metric'));
  expect(scanner.lookUps).toBe(1025);
});

test('where one series is wanted, engines are not looked at', () => {
  const pick = new ScalarPick('first');
  const scanner = offerAll(pick, 40_000);
  expect(pick.value).toBe(1);
  expect(scanner.lookUps).toBe(0);
});
