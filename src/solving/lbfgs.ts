import { breathe } from '../engines/breathe.js';
import { TransferKitError } from '../errors.js';
import { lineSearch, type Evaluation, type Objective } from './line-search.js';
import { addScaled, difference, dot, largestAbsolute } from './vectors.js';

/** Options of `minimize`. */
export interface MinimizeOptions {
  /** Ends when no part of the gradient is larger. Default 1e-4. */
  readonly tolerance?: number;
  /** Default 1000. */
  readonly maxIterations?: number;
  /** Moves that the curvature is estimated from. Default 10. */
  readonly history?: number;
  readonly signal?: AbortSignal;
}

/** Where `minimize` ended. */
export interface Minimum {
  readonly point: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** Largest part of the gradient at the point. */
  readonly gradient: number;
  /** False where the iterations ran out first. */
  readonly converged: boolean;
}

/** One move, and how the gradient changed with it. */
interface Move {
  readonly step: Float64Array;
  readonly change: Float64Array;
  /** step . change */
  readonly product: number;
}

/** The quasi-Newton direction at a gradient: the two-loop recursion over the last moves. */
function directionAt(gradient: Float64Array, moves: readonly Move[]): Float64Array {
  const direction = gradient.map((value) => -value);
  const shares = moves.map(() => 0);
  for (let index = moves.length - 1; index >= 0; index--) {
    const { step, change, product } = moves[index]!;
    shares[index] = dot(step, direction) / product;
    addScaled(direction, -shares[index]!, change);
  }
  const last = moves.at(-1);
  if (last !== undefined) {
    const scale = last.product / dot(last.change, last.change);
    for (let index = 0; index < direction.length; index++) direction[index]! *= scale;
  }
  moves.forEach(({ step, change, product }, index) => addScaled(direction, shares[index]! - dot(change, direction) / product, step));
  return direction;
}

function assertNotAborted(signal: AbortSignal | undefined, iterations: number): void {
  if (!signal?.aborted) return;
  throw new TransferKitError('aborted', `stopped after ${iterations} iterations of L-BFGS; the weights are as they were`, {
    cause: signal.reason,
  });
}

/** Moves with too little curvature to say anything are left out: they would blow the estimate up. */
function remember(moves: Move[], step: Float64Array, change: Float64Array, history: number): void {
  const product = dot(step, change);
  if (product <= 1e-10 * dot(change, change)) return;
  moves.push({ step, change, product });
  if (moves.length > history) moves.shift();
}

/**
 * Minimises a smooth function of many variables by L-BFGS with a strong-Wolfe line search. Vectors are float64; the event loop
 * gets its turns between evaluations.
 *
 * @param start is left as it is
 * @throws TransferKitError `aborted`; `diverged` where the function gives no number at the start
 * @source Liu and Nocedal, On the limited memory BFGS method for large scale optimization, 1989
 * @example
 * ```ts
 * const bowl = async ([x, y]: Float64Array) => ({ value: x! ** 2 + 3 * y! ** 2, gradient: Float64Array.of(2 * x!, 6 * y!) });
 * const { point } = await minimize(bowl, Float64Array.of(2, 1)); // close to [0, 0]
 * ```
 */
export async function minimize(objective: Objective, start: Float64Array, options: MinimizeOptions = {}): Promise<Minimum> {
  const { tolerance = 1e-4, maxIterations = 1000, history = 10, signal } = options;
  const evaluate = async (point: Float64Array): Promise<Evaluation> => {
    await breathe();
    return objective(point);
  };
  let here: Evaluation & { readonly point: Float64Array } = { point: start.slice(), ...(await evaluate(start)) };
  if (!Number.isFinite(here.value))
    throw new TransferKitError('diverged', `the loss is ${here.value} before the first step of L-BFGS: some feature is no number`);
  let moves: Move[] = [];
  let iterations = 0;
  for (; iterations < maxIterations && largestAbsolute(here.gradient) > tolerance; iterations++) {
    assertNotAborted(signal, iterations);
    let direction = directionAt(here.gradient, moves);
    if (dot(direction, here.gradient) >= 0) {
      moves = [];
      direction = directionAt(here.gradient, moves);
    }
    // Without a history nothing is known of the scale: the first move has length 1 at most.
    const firstStep = moves.length > 0 ? 1 : Math.min(1, 1 / Math.sqrt(dot(here.gradient, here.gradient)));
    const next = await lineSearch(evaluate, here, direction, firstStep);
    if (next === undefined) {
      if (moves.length === 0) break;
      moves = [];
      continue;
    }
    remember(moves, difference(next.point, here.point), difference(next.gradient, here.gradient), history);
    here = { point: next.point, value: next.value, gradient: next.gradient };
  }
  const gradient = largestAbsolute(here.gradient);
  return { point: here.point, value: here.value, iterations, gradient, converged: gradient <= tolerance };
}
