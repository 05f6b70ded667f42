/** As `engines` of package.json says. */
const OLDEST = 24;

/** What is wrong with a version of Node.js, such as `20.20.2`; '' when it will do. Older ones cannot even read the program. */
export function nodeFault(version: string): string {
  return Number.parseInt(version, 10) >= OLDEST
    ? ''
    : `needs Node.js ${OLDEST} or later, this is Node.js ${version}`;
}
