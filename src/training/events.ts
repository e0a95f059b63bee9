import { TransferKitError } from '../errors.js';
import { TrainingControl, type ControlState } from './control.js';
import type { EpochRecord, TrainingHistory } from './history.js';
import type { TrainingPlan } from './plan.js';

/** What happens in a training, as plain data but for the plan's `describe`. */
export type TrainingEvent =
  /** What will be done; before anything runs. */
  | { readonly type: 'plan'; readonly plan: TrainingPlan }
  /** The run was cut off before, and continues behind this step from the checkpoint in this folder. */
  | { readonly type: 'continued'; readonly step: number; readonly path: string }
  /** The frozen part runs once over the examples. */
  | { readonly type: 'features'; readonly done: number; readonly total: number; readonly secondsLeft: number | undefined }
  /** Weights moved once. */
  | StepEvent
  /** An epoch ended; its figures as they will be in the history. */
  | { readonly type: 'epoch'; readonly record: EpochRecord }
  /** A phase begins: its steps and epochs, and how many steps of it were done before the run was cut off. */
  | { readonly type: 'phase'; readonly phase: string; readonly steps: number; readonly epochs: number; readonly done: number }
  /** The run was written to this folder. */
  | { readonly type: 'checkpoint'; readonly path: string; readonly step: number }
  | { readonly type: 'paused' }
  | { readonly type: 'resumed' }
  /** Something that the run goes on in spite of. */
  | { readonly type: 'warning'; readonly message: string }
  | { readonly type: 'end'; readonly history: TrainingHistory };

/** An event without what follows from the time: rate and seconds left. */
export type UntimedEvent =
  | Exclude<TrainingEvent, { readonly type: 'step' | 'features' }>
  | Omit<StepEvent, 'rate' | 'secondsLeft'>
  | { readonly type: 'features'; readonly done: number; readonly total: number };

/** One step of the optimiser. */
export interface StepEvent {
  readonly type: 'step';
  readonly phase: string;
  /** From 1, within the phase. */
  readonly epoch: number;
  /** Steps done in the phase, and their number. */
  readonly step: number;
  readonly steps: number;
  /** Means over the epoch so far: loss, metrics of the head. */
  readonly figures: Readonly<Record<string, number>>;
  /** Learning rate of the head at this step. */
  readonly learningRate?: number;
  /** Steps a second. */
  readonly rate: number;
  /** Seconds until the end of the phase; undefined while nothing is known. */
  readonly secondsLeft: number | undefined;
}

/** Beyond this many events that nobody has read, those of single steps are dropped for the latest one. */
const mostWaiting = 1000;

const isFleeting = ({ type }: TrainingEvent): boolean => type === 'step' || type === 'features';

type Turn = IteratorResult<TrainingEvent, undefined>;

const over: Turn = { done: true, value: undefined };

/**
 * A training that is under way, as a stream of events.
 *
 * It runs whether or not somebody reads. A reader who is slower than the training misses no epoch, but where more than 1,000 events
 * wait for him, those of single steps give way to the latest one. Leaving the loop (`break`, `return`, an error) aborts the training
 * and waits for its end; an error of the training is thrown out of the loop.
 */
export class TrainingRun<Result> implements AsyncIterable<TrainingEvent> {
  /** What the training gives back, or its error. */
  readonly result: Promise<Result>;
  readonly #control: TrainingControl;
  #queue: TrainingEvent[] = [];
  #waiting: { resolve: (turn: Turn) => void; reject: (error: unknown) => void }[] = [];
  #ended: { readonly error?: unknown } | undefined;
  #isRead = false;
  #isLeft = false;

  /**
   * Starts a training.
   * @param train runs it and tells what happens; it obeys the control
   */
  constructor(train: (emit: (event: TrainingEvent) => void, control: TrainingControl) => Promise<Result>, control = new TrainingControl()) {
    this.#control = control;
    this.result = Promise.resolve().then(() => train((event) => this.#emit(event), control));
    this.result.then(
      () => this.#end({}),
      (error: unknown) => this.#end({ error }),
    );
  }

  get state(): ControlState {
    return this.#control.state;
  }

  /** Holds the training before its next step. */
  pause(): void {
    this.#control.pause();
  }

  /** Lets it go on. */
  resume(): void {
    this.#control.resume();
  }

  /** Ends it; `result` has the model with the best weights so far, or throws `aborted` when there are none yet. */
  abort(reason?: unknown): void {
    this.#control.abort(reason);
  }

  /** @throws TransferKitError `bad-option` for a second loop over the same run */
  [Symbol.asyncIterator](): AsyncIterator<TrainingEvent, undefined> {
    if (this.#isRead)
      throw new TransferKitError(
        'bad-option',
        'the events of a training can be read once.\n  Fix: read them in one loop, or pass onEvent.',
      );
    this.#isRead = true;
    return {
      next: () => this.#next(),
      return: () => this.#leave(),
    };
  }

  #emit(event: TrainingEvent): void {
    if (this.#isLeft) return;
    const reader = this.#waiting.shift();
    if (reader !== undefined) return reader.resolve({ done: false, value: event });
    const last = this.#queue.at(-1);
    if (last !== undefined && this.#queue.length >= mostWaiting && isFleeting(last) && isFleeting(event)) this.#queue.pop();
    this.#queue.push(event);
  }

  #next(): Promise<Turn> {
    const event = this.#queue.shift();
    if (event !== undefined) return Promise.resolve({ done: false, value: event });
    if (this.#isLeft) return Promise.resolve(over);
    if (this.#ended === undefined) return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#isLeft = true; // an error is thrown once
    return 'error' in this.#ended ? this.result.then(() => over) : Promise.resolve(over);
  }

  #end(ended: { readonly error?: unknown }): void {
    this.#ended = ended;
    const [first, ...others] = this.#waiting;
    this.#waiting = [];
    if (first !== undefined) {
      this.#isLeft = true;
      if ('error' in ended) first.reject(ended.error);
      else first.resolve(over);
    }
    for (const reader of others) reader.resolve(over);
  }

  /** The reader goes away: nobody will hear of errors any more, and the training must not go on unseen. */
  async #leave(): Promise<Turn> {
    this.#isLeft = true;
    this.#queue = [];
    for (const reader of this.#waiting.splice(0)) reader.resolve(over);
    if (this.#ended === undefined) this.abort(new TransferKitError('aborted', 'the loop over the events of the training was left'));
    await this.result.catch(() => undefined);
    return over;
  }
}
