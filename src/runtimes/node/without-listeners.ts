/** Events on which Emscripten's modules put listeners of their own. */
const events = ['uncaughtException', 'unhandledRejection'] as const;

type Listener = (...values: unknown[]) => void;

/**
 * Runs work and takes away the process-wide error listeners that it installed. Those of the wasm backend throw every uncaught
 * error again, which makes Node print the whole minified module in front of the user's own error.
 */
export async function withoutListeners<T>(work: () => Promise<T>): Promise<T> {
  const before = events.map((event) => new Set(process.listeners(event as never) as Listener[]));
  const result = await work();
  events.forEach((event, index) => {
    for (const listener of process.listeners(event as never) as Listener[]) if (!before[index]!.has(listener)) process.off(event, listener);
  });
  return result;
}
