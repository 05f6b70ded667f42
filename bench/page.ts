const RESULTS_START = '<!-- results -->';
const RESULTS_END = '<!-- /results -->';

/** The page with other results between its markers; throws when it has none. */
export function withResults(page: string, section: string): string {
  const start = page.indexOf(RESULTS_START) + RESULTS_START.length;
  const end = page.indexOf(RESULTS_END);
  if (start < RESULTS_START.length || end < start) {
    throw new Error(`no place for results: want ${RESULTS_START} and ${RESULTS_END}`);
  }
  return `${page.slice(0, start)}\n\n${section}\n\n${page.slice(end)}`;
}
