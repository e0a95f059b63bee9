import type { SolveOptions } from '../head.js';
import type { Solved, SolveExamples } from './solve.js';
import { fitAt, LogisticLoss } from './solve-loss.js';
import { chooseStrength } from './solve-strength.js';

/**
 * Largest part of the gradient of the mean loss at which the weights count as found. It is scikit-learn's where a fit takes seconds;
 * where it takes none, a tenth of it.
 */
const toleranceFor = (products: number): number => (products > 2e7 ? 1e-4 : 1e-5);

/**
 * Multinomial logistic regression with an L2 penalty: the minimum of `sum of losses + |kernel|^2 / (2 strength)`.
 * @source https://scikit-learn.org/stable/modules/linear_model.html#logistic-regression
 */
export async function fitLogistic(examples: SolveExamples, options: SolveOptions): Promise<Solved> {
  const strength = options.strength === 'auto' ? await chooseStrength(examples, options) : options.strength;
  const loss = new LogisticLoss(examples);
  try {
    const [rows, classes] = loss.shape;
    const tolerance = toleranceFor(examples.classes.length * rows * classes);
    const { point, iterations } = await fitAt(loss, strength, new Float64Array(rows * classes), { tolerance, signal: options.signal });
    const border = (rows - 1) * classes;
    return { kernel: point.subarray(0, border), bias: point.subarray(border), loss: await loss.loss(point), iterations, strength };
  } finally {
    loss.dispose();
  }
}
