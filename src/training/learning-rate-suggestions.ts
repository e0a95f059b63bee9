/** Loss against learning rate, as a range test gives it. */
export interface RateCurve {
  readonly rates: readonly number[];
  /** Mean loss of each step's batch. */
  readonly losses: readonly number[];
  /** An exponential average of the losses, which the suggestions are read from. */
  readonly smoothed: readonly number[];
}

/** Learning rates that a curve speaks for. */
export interface LearningRateSuggestions {
  /** The middle of the longest fall of the loss: the one to take when in doubt. */
  readonly valley: number;
  /** Where the loss falls fastest. */
  readonly steepest: number;
  /** A tenth of the rate at which the loss is lowest. */
  readonly minimum: number;
}

/** How much of the average is kept from step to step. */
const keep = 0.98;

/** An exponential average, corrected for its start from zero, that is fed one loss after another. */
export class SmoothedLoss {
  #average = 0;
  #count = 0;

  add(loss: number): number {
    this.#average = keep * this.#average + (1 - keep) * loss;
    return this.#average / (1 - keep ** ++this.#count);
  }
}

const placeOfLeast = (values: readonly number[]): number => values.indexOf(Math.min(...values));

/** Per place, the length of the longest falling subsequence of the losses that ends there. */
function fallsTo(losses: readonly number[]): number[] {
  const lengths: number[] = [];
  losses.forEach((loss, place) => {
    const before = lengths.filter((_, earlier) => loss < losses[earlier]!);
    lengths[place] = 1 + Math.max(0, ...before);
  });
  return lengths;
}

/** The place in the middle of the longest fall, whose start is told from its length. */
function valley(losses: readonly number[]): number {
  const lengths = fallsTo(losses);
  const longest = Math.max(...lengths);
  const end = lengths.indexOf(longest);
  const third = longest / 3;
  return Math.max(0, end - longest + Math.floor(third) + Math.floor(third / 2));
}

/** The place from which the loss falls fastest over the logarithm of the rate. */
function steepest(rates: readonly number[], losses: readonly number[]): number {
  const slopes = losses.slice(1).map((loss, place) => (loss - losses[place]!) / Math.log(rates[place + 1]! / rates[place]!));
  return placeOfLeast(slopes);
}

/**
 * Reads learning rates off a curve. The first tenth of the steps, where nothing has happened yet, and the last five, where the loss
 * explodes, do not count; a curve with too few points for that is taken whole.
 * @param steps how many the test would have taken
 * @source fastai's `lr_find`, whose `valley`, `steep` and `minimum` these are
 */
export function suggestRates({ rates, smoothed }: RateCurve, steps: number): LearningRateSuggestions {
  const [first, last] = [Math.floor(steps / 10), smoothed.length - 5];
  const whole = last - first < 2;
  const [at, losses] = [rates, smoothed].map((values) => (whole ? values : values.slice(first, last))) as [number[], number[]];
  return { valley: at[valley(losses)]!, steepest: at[steepest(at, losses)]!, minimum: at[placeOfLeast(losses)]! / 10 };
}
