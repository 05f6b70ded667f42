import { type Problem, problemText } from '../config/problems.ts';
import type { Log } from '../framework/log.ts';
import type { ServeOptions } from './flags.ts';

/** One line per problem, each with its place, so that the log alone is enough to mend the file. */
export function reportProblems(problems: readonly Problem[], options: ServeOptions, log: Log): void {
  const file = options.configFile === '' ? '--config-text' : options.configFile;
  for (const problem of problems) {
    const fields = { code: problem.code, path: problem.path, problem: `${file}:${problemText(problem)}` };
    if (problem.severity === 'error') log.error(fields, 'configuration error');
    else log.warn(fields, 'configuration warning');
  }
}
