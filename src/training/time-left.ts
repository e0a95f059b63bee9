/** An average of durations in which late ones count more, so that it follows a machine that gets slower or faster. */
class RecentMean {
  #weights = 0;
  #sum = 0;
  #count = 0;

  /** @param memory after this many more durations, one counts half as much */
  constructor(private readonly memory: number) {}

  add(duration: number): void {
    this.#count++;
    // The first one pays for compiling and for memory that is taken for the first time: it serves until there is a second.
    if (this.#count === 2) this.#weights = this.#sum = 0;
    const fade = 0.5 ** (1 / this.memory);
    this.#weights = this.#weights * fade + 1;
    this.#sum = this.#sum * fade + duration;
  }

  /** Mean duration; 0 when there was none. */
  get value(): number {
    return this.#weights === 0 ? 0 : this.#sum / this.#weights;
  }
}

/** How fast a stretch of work is and how long it will take. */
export interface Pace {
  /** Steps a second; 0 while nothing is known. */
  readonly rate: number;
  /** Seconds until the end of the stretch; undefined while nothing is known. */
  readonly secondsLeft: number | undefined;
}

/**
 * Tells how long a stretch of work will take: features over all examples, or the steps of a phase with something after each epoch.
 * Steps and what comes after an epoch are measured apart, so that validation does not make the estimate swing. Pauses count for
 * nothing.
 */
export class TimeLeft {
  readonly #steps = new RecentMean(20);
  readonly #epochs = new RecentMean(2);
  #mark: number;
  #stepsLeft: number;
  #epochsLeft: number;

  /**
   * @param steps that are left to do
   * @param epochs that are left to do
   * @param now milliseconds that never go back
   */
  constructor(
    steps: number,
    epochs = 0,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.#stepsLeft = steps;
    this.#epochsLeft = epochs;
    this.#mark = now();
  }

  /** One step, or several at once, were done since the last call. */
  step(count = 1): Pace {
    this.#steps.add(this.#lap() / count);
    this.#stepsLeft = Math.max(0, this.#stepsLeft - count);
    return this.pace;
  }

  /** What comes after an epoch (validation) was done since the last call. */
  epoch(): Pace {
    this.#epochs.add(this.#lap());
    this.#epochsLeft = Math.max(0, this.#epochsLeft - 1);
    return this.pace;
  }

  /** The time since the last call was no work: a pause, a checkpoint. */
  skip(): void {
    this.#lap();
  }

  get pace(): Pace {
    const step = this.#steps.value;
    if (step === 0) return { rate: 0, secondsLeft: undefined };
    const left = step * this.#stepsLeft + this.#epochs.value * this.#epochsLeft;
    return { rate: 1000 / step, secondsLeft: left / 1000 };
  }

  #lap(): number {
    const now = this.now();
    const duration = now - this.#mark;
    this.#mark = now;
    return duration;
  }
}
