/** The sizes of a product: out [batch, m, n] = a [batch, m, k] times b [batch, k, n], each of a and b perhaps given transposed. */
export interface ProductSizes {
  readonly batch: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/**
 * How a product is computed. `plain`: the simple loop of tfjs, which takes transposed operands and batches as they are.
 * `direct`: operands made straight, then XNNPACK. `swapped`: the transpose of b^T a^T, when that moves less.
 */
export type ProductPlan = 'plain' | 'direct' | 'swapped';

// Nanoseconds, measured; only their ratios matter.
const CALL = 600;
const PLAIN_STEP = 0.65;
const FAST_STEP = 0.055;
const PACK = 2; // each number of the right operand is packed anew for XNNPACK
const TRANSPOSE = 0.8;

const roundUp = (value: number, step: number): number => Math.ceil(value / step) * step;

/** XNNPACK computes tiles of 4 x 8, so that a narrow result costs as much as a full tile. */
const fastSteps = (rows: number, columns: number, shared: number): number => roundUp(rows, 4) * roundUp(columns, 8) * shared * FAST_STEP;

/** The cheapest way, by a linear model of the time of one matrix of the batch. */
export function planProduct({ m, k, n, transposeA, transposeB }: ProductSizes): ProductPlan {
  const plain = m * n * k * PLAIN_STEP + m * n;
  const straighten = (transposeA ? m * k : 0) + (transposeB ? k * n : 0);
  const turn = (transposeA ? 0 : m * k) + (transposeB ? 0 : k * n) + m * n;
  const direct = CALL + fastSteps(m, n, k) + k * n * PACK + straighten * TRANSPOSE;
  const swapped = CALL + fastSteps(n, m, k) + m * k * PACK + turn * TRANSPOSE;
  if (plain <= Math.min(direct, swapped)) return 'plain';
  return direct <= swapped ? 'direct' : 'swapped';
}
