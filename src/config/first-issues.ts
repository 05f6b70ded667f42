import { type Checked, reportIssues } from './issues.ts';
import { pathText } from './node.ts';
import type { ProblemList } from './problems.ts';

/** Nobody mends more at once, and telling what belongs at a place can cost as much as checking the document again. */
const MOST = 100;

/** Reports what `check` found; of very many mistakes the first ones, and how many there are besides. */
export function reportFirstIssues(
  issues: Parameters<typeof reportIssues>[0],
  checked: Checked,
  problems: ProblemList,
): void {
  reportIssues(issues.slice(0, MOST), checked, problems);
  const others = issues.length - MOST;
  if (others <= 0) return;
  const { path, node } = checked;
  const where = pathText(path) || 'the document';
  problems.error('invalid-value', { path, at: node }, `${where}: ${others} mistakes more than are told here`);
}
