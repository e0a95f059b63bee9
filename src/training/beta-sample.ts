import type { Random } from '../common/random.js';

/** A uniform number above 0, so that its logarithm is finite. */
const positive = (random: Random): number => 1 - random.next();

/** A number of the normal distribution. @source Box and Muller 1958 */
const normal = (random: Random): number => Math.sqrt(-2 * Math.log(positive(random))) * Math.cos(2 * Math.PI * random.next());

/**
 * The logarithm of a number of the Gamma distribution. As a logarithm, because small shapes give numbers below the smallest float.
 * @param shape above 0
 * @source "A simple method for generating gamma variables", Marsaglia and Tsang 2000
 */
function logGammaSample(shape: number, random: Random): number {
  if (shape < 1) return logGammaSample(shape + 1, random) + Math.log(positive(random)) / shape;
  const d = shape - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  for (;;) {
    const x = normal(random);
    const v = (1 + c * x) ** 3;
    if (v > 0 && Math.log(positive(random)) < x * x * 0.5 + d - d * v + d * Math.log(v)) return Math.log(d * v);
  }
}

/** A number of Beta(alpha, alpha), 0 to 1. @param alpha above 0 */
export function betaSample(alpha: number, random: Random): number {
  const [first, second] = [logGammaSample(alpha, random), logGammaSample(alpha, random)];
  return 1 / (1 + Math.exp(second - first));
}
