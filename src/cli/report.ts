import { type Problem, problemText } from '../config/problems.ts';
import type { Log } from '../framework/log.ts';

/** One line per problem, each with its place, so that the log alone is enough to mend the file. `source`: which one. */
export function reportProblems(problems: readonly Problem[], source: string, log: Log): void {
  for (const problem of problems) {
    const fields = { code: problem.code, path: problem.path, problem: `${source}:${problemText(problem)}` };
    if (problem.severity === 'error') log.error(fields, 'configuration error');
    else log.warn(fields, 'configuration warning');
  }
}
