import process from 'node:process';

/** Tells the parent process something, or whoever reads stdout when there is none. */
export function report(message: object): void {
  if (process.send === undefined) process.stdout.write(`${JSON.stringify(message)}\n`);
  else process.send(message);
}

/** Ends this process when its parent goes away, so that an interrupted benchmark leaves nothing behind. */
export function endWithParent(): void {
  process.on('disconnect', () => process.exit(0));
}
