/** Milliseconds of computing after which others get a turn: below a frame of a page at ease, far above the cost of a turn. */
const breath = 40;

let last = performance.now();

/**
 * Lets the event loop take a turn when the last one is a while ago. tfjs computes synchronously on a processor, so without this
 * timers, signals, key presses and progress bars would wait until a whole training is over.
 */
export async function breathe(): Promise<void> {
  if (performance.now() - last < breath) return;
  await new Promise<void>((resolve) => setTimeout(resolve));
  last = performance.now();
}
