/** What stages and plugins may log with; pino satisfies it. Messages are constant sentences, values are fields. */
export interface Log {
  error(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  info(fields: object, message: string): void;
  debug(fields: object, message: string): void;
  trace(fields: object, message: string): void;
  /** Check before building costly fields. */
  isLevelEnabled(level: 'debug' | 'trace'): boolean;
}
