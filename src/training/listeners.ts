import type { Runtime } from '../runtimes/runtime.js';
import { EventClock } from './event-clock.js';
import type { UntimedEvent } from './events.js';
import type { TrainingLog } from './log.js';
import type { FineTuneOptions } from './options.js';
import { progressBar, progressOf } from './progress.js';

/** Everyone who is told what happens in a run. */
export interface Listeners {
  readonly emit: (event: UntimedEvent) => void;
  /** From now on the log is told as well. */
  readonly writeTo: (log: TrainingLog) => void;
  /** Takes the bar away and finishes the log. */
  readonly close: () => Promise<void>;
}

/** Tells the person at the terminal, the caller's functions and the log. */
export function openListeners(options: FineTuneOptions, runtime: Runtime): Listeners {
  const { onProgress, onEvent, progress = true } = options;
  let log: TrainingLog | undefined;
  const bar = progress ? progressBar(runtime) : undefined;
  const clock = new EventClock();
  const emit = (untimed: UntimedEvent): void => {
    const event = clock.add(untimed);
    onEvent?.(event);
    log?.write(event);
    const shown = progressOf(event);
    if (shown === undefined) return;
    onProgress?.(shown);
    bar?.show(shown);
  };
  const close = async (): Promise<void> => {
    bar?.stop();
    await log?.flush();
  };
  return { emit, writeTo: (opened) => void (log = opened), close };
}
