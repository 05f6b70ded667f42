/** Lets `count` turns of the event loop pass, in which promises and immediates that are ready run. */
export async function turns(count = 10): Promise<void> {
  for (let i = 0; i < count; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
