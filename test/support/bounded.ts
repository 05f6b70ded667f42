/**
 * Options of every program that a test runs to its end: text, and a bound. A program that hangs would stop its test
 * worker with it, where the limit of a test counts for nothing.
 */
export const BOUNDED = { encoding: 'utf8', timeout: 60_000, killSignal: 'SIGKILL', stdio: 'pipe' } as const;
