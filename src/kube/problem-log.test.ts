import { expect, test } from 'vitest';
import { RecordingLog } from '../../test/support/builders.ts';
import { ProblemLog } from './problem-log.ts';

test('problems are said when they change', () => {
  const log = new RecordingLog();
  const problems = new ProblemLog(log, 'things');
  const said = (objects: Record<string, readonly string[]>) => {
    log.lines.length = 0;
    problems.update(Object.entries(objects).map(([name, of]) => ({ name, problems: of })));
    return log.lines.map((line) => line.fields);
  };
  expect(said({ a: [], b: ['x'] })).toEqual([{ kind: 'things', name: 'b', problems: ['x'] }]);
  expect(said({ a: [], b: ['x'] })).toEqual([]);
  expect(said({ a: ['z'], b: ['x', 'y'] })).toEqual([
    { kind: 'things', name: 'a', problems: ['z'] },
    { kind: 'things', name: 'b', problems: ['x', 'y'] },
  ]);
  expect(said({ b: [] })).toEqual([]);
  expect(said({ b: ['x', 'y'] })).toHaveLength(1);
});
