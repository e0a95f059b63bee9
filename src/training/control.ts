/** What a training does at the moment. */
export type ControlState = 'running' | 'paused' | 'aborted';

/**
 * A handle to pause, resume and abort trainings from outside. Give it to `fineTune` as `control`; a training that is paused stands
 * still between two steps and keeps everything in memory.
 *
 * @example
 * ```ts
 * import { fineTune, TrainingControl } from 'transferkit';
 *
 * const control = new TrainingControl();
 * const training = fineTune('./mobilenet-v2', 'photos/', { control, epochs: 2 });
 * control.pause(); // when the machine is needed for something else
 * setTimeout(() => control.resume(), 100);
 * const { history } = await training;
 * console.log(history.ended);
 * ```
 */
export class TrainingControl {
  readonly #controller = new AbortController();
  #isPaused = false;
  #waiting: (() => void)[] = [];
  readonly #watchers = new Set<() => void>();

  /** `aborted` is final. */
  get state(): ControlState {
    if (this.#controller.signal.aborted) return 'aborted';
    return this.#isPaused ? 'paused' : 'running';
  }

  /** Fires on `abort`. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Holds the training before its next step. */
  pause(): void {
    if (this.state !== 'running') return;
    this.#isPaused = true;
    this.#changed();
  }

  /** Lets a paused training go on. */
  resume(): void {
    this.#isPaused = false;
    this.#wake();
    this.#changed();
  }

  /** Ends the training, paused or not; the model keeps the best weights so far. */
  abort(reason?: unknown): void {
    if (this.state === 'aborted') return;
    this.#controller.abort(reason);
    this.resume();
  }

  /** Resolves when the training may go on: at once unless it is paused. Also resolves on `abort`. */
  whenRunning(): Promise<void> {
    if (this.state !== 'paused') return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /**
   * Aborts when a signal of somebody else does, until the function that is given back is called: a signal may outlive many
   * trainings, and would hold on to all of them.
   */
  follow(signal: AbortSignal | undefined): () => void {
    if (signal === undefined) return () => undefined;
    const onAbort = (): void => this.abort(signal.reason);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    return () => signal.removeEventListener('abort', onAbort);
  }

  /** Tells when `state` may have changed, until the function that is given back is called. @internal */
  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange);
    return () => void this.#watchers.delete(onChange);
  }

  #changed(): void {
    for (const onChange of this.#watchers) onChange();
  }

  #wake(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resolve of waiting) resolve();
  }
}

/** A control for one run that listens to the caller's signal and to his control. `release` ends that. */
export function combine(signal: AbortSignal | undefined, control: TrainingControl = new TrainingControl()) {
  return { control, release: control.follow(signal) };
}

/**
 * To be awaited between two steps: stands still while paused, and tells of it.
 * @returns milliseconds of standing still
 */
export async function waitWhilePaused(
  control: TrainingControl,
  onChange: (event: { readonly type: 'paused' | 'resumed' }) => void,
  now: () => number = () => performance.now(),
): Promise<number> {
  if (control.state !== 'paused') return 0;
  const start = now();
  onChange({ type: 'paused' });
  while (control.state === 'paused') await control.whenRunning();
  if (control.state === 'running') onChange({ type: 'resumed' });
  return now() - start;
}
