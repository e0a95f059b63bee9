import { dot } from './vectors.js';

/** A function of many variables at one point. */
export interface Evaluation {
  readonly value: number;
  readonly gradient: Float64Array;
}

/** Value and gradient of the function that is minimised. The gradient must be a fresh array each time. */
export type Objective = (point: Float64Array) => Promise<Evaluation>;

/** Where a line search ended. */
export interface LinePoint extends Evaluation {
  readonly step: number;
  readonly point: Float64Array;
}

/** A point on the line, with the slope along it. */
interface Trial extends LinePoint {
  readonly slope: number;
}

/** The step must gain at least this part of what the slope at its start promises. */
const sufficientDecrease = 1e-4;
/** The slope must have flattened to this part. */
const curvature = 0.9;
/** Evaluations of one search. */
const mostTrials = 20;

/** How far float32 sums may be off, relative to the value: differences below it say nothing. */
const noise = 1e-7;

/** The lowest point of the cubic through two points with their slopes, kept inside the middle eight tenths of the stretch. */
function between(low: Trial, high: Trial): number {
  const first = low.slope + high.slope - (3 * (low.value - high.value)) / (low.step - high.step);
  const root = Math.sqrt(Math.max(0, first * first - low.slope * high.slope));
  const second = Math.sign(high.step - low.step) * root;
  const step = high.step - ((high.step - low.step) * (high.slope + second - first)) / (high.slope - low.slope + 2 * second);
  const [left, right] = [Math.min(low.step, high.step), Math.max(low.step, high.step)];
  const margin = 0.1 * (right - left);
  if (!Number.isFinite(step)) return (left + right) / 2;
  return Math.min(right - margin, Math.max(left + margin, step));
}

/**
 * Finds a step along a direction that satisfies the strong Wolfe conditions: enough decrease, and a slope that has flattened.
 *
 * @param start where the search begins, with value and gradient
 * @param direction must lead downhill
 * @param firstStep tried first
 * @returns undefined where no step lowers the value: the start is as low as the numbers can tell
 * @source Nocedal and Wright, Numerical Optimization, 2nd edition 2006, algorithms 3.5 and 3.6
 */
export async function lineSearch(
  objective: Objective,
  start: Evaluation & { readonly point: Float64Array },
  direction: Float64Array,
  firstStep: number,
): Promise<LinePoint | undefined> {
  const origin: Trial = { ...start, step: 0, slope: dot(start.gradient, direction) };
  const tolerance = noise * Math.abs(start.value);
  const lowEnough = ({ value, step }: Trial): boolean => value <= start.value + sufficientDecrease * step * origin.slope + tolerance;
  const flatEnough = ({ slope }: Trial): boolean => Math.abs(slope) <= -curvature * origin.slope;
  const at = async (step: number): Promise<Trial> => {
    const point = start.point.map((value, index) => value + step * direction[index]!);
    const { value, gradient } = await objective(point);
    return { step, point, value, gradient, slope: dot(gradient, direction) };
  };

  let low = origin;
  let high: Trial | undefined;
  let step = firstStep;
  let best: Trial | undefined;
  for (let trials = 0; trials < mostTrials; trials++) {
    const trial = await at(step);
    if (lowEnough(trial)) {
      if (flatEnough(trial)) return trial;
      if (best === undefined || trial.value < best.value) best = trial;
    }
    if (!Number.isFinite(trial.value) || !lowEnough(trial) || trial.value > low.value + tolerance) high = trial;
    else {
      // The minimum lies where the slope points down: behind the trial, or between it and the low end.
      if (high === undefined ? trial.slope >= 0 : trial.slope * (high.step - low.step) >= 0) high = low;
      low = trial;
    }
    step = high === undefined ? low.step * 2 || firstStep : Number.isFinite(high.value) ? between(low, high) : (low.step + high.step) / 2;
  }
  return best;
}
