import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../../errors.js';
import type { SolveOptions, SolveResult } from '../head.js';
import { fitCentroids } from './solve-centroid.js';
import { fitLogistic } from './solve-logistic.js';

/** Training examples as the solvers see them. Only classes that occur have a column. */
export interface SolveExamples {
  /** float32 [examples, features], standardised. The caller disposes it. */
  readonly features: tf.Tensor2D;
  /** float32 [examples, classes], row-major; rows sum to 1. */
  readonly targets: Float32Array;
  /** The class of each example: the largest of its row. */
  readonly classes: Int32Array;
  readonly weights: Float32Array;
  /** Number of classes that occur. */
  readonly count: number;
}

/** A linear layer: logits = features . kernel + bias. */
export interface LinearLayer {
  /** [features, classes], row-major. */
  readonly kernel: ArrayLike<number>;
  /** [classes] */
  readonly bias: ArrayLike<number>;
}

/** What a solver found. */
export interface Solved extends SolveResult, LinearLayer {}

/** How far the logit of a label without examples lies below the average logit: a probability of about 1e-9. */
const unseenLogit = -20;

const solvers = { 'logistic-regression': fitLogistic, 'nearest-centroid': fitCentroids };

/** Which columns have an example, and the examples with those columns alone. */
async function examplesOf(
  features: tf.Tensor2D,
  targets: tf.Tensor,
  weights: Float32Array,
): Promise<{ examples: SolveExamples; present: number[] }> {
  const [count, labels] = targets.shape as [number, number];
  const rows = (await targets.data()) as Float32Array;
  const mass = new Float64Array(labels);
  for (let index = 0; index < rows.length; index++) mass[index % labels]! += rows[index]! * weights[Math.floor(index / labels)]!;
  const present = [...mass.keys()].filter((label) => mass[label]! > 0);
  const kept = new Float32Array(count * present.length);
  const classes = new Int32Array(count);
  for (let row = 0; row < count; row++) {
    present.forEach((label, column) => {
      kept[row * present.length + column] = rows[row * labels + label]!;
      if (rows[row * labels + label]! > rows[row * labels + present[classes[row]!]!]!) classes[row] = column;
    });
  }
  return { present, examples: { features, targets: kept, classes, weights, count: present.length } };
}

/**
 * Spreads the columns of the classes that occur over all labels. A label without examples gets the average of the other logits
 * less a good deal, so that it never wins, whatever the input, and can still be learnt later.
 */
function spread({ kernel, bias }: LinearLayer, present: readonly number[], labels: number): { kernel: Float32Array; bias: Float32Array } {
  const width = present.length;
  const full = (values: ArrayLike<number>, below: number): Float32Array => {
    const rows = values.length / width;
    const result = new Float32Array(rows * labels);
    for (let row = 0; row < rows; row++) {
      const own = Array.from({ length: width }, (_, column) => values[row * width + column]!);
      const average = own.reduce((sum, value) => sum + value, 0) / width;
      result.fill(average + below, row * labels, (row + 1) * labels);
      present.forEach((label, column) => (result[row * labels + label] = own[column]!));
    }
    return result;
  };
  return { kernel: full(kernel, 0), bias: full(bias, unseenLogit) };
}

/** Writes the layer called `logits`. */
function write(model: LayersModel, { kernel, bias }: { kernel: Float32Array; bias: Float32Array }): void {
  tf.tidy(() => {
    for (const weight of model.getLayer('logits').weights) {
      const shape = weight.shape as number[];
      weight.write(tf.tensor(shape.length === 2 ? kernel : bias, shape));
    }
  });
}

function checkExamples(count: number, weights: Float32Array, present: readonly number[]): void {
  if (weights.length !== count || !weights.every((weight) => weight >= 0 && Number.isFinite(weight)))
    throw new TransferKitError(
      'bad-option',
      `a solver needs one weight of at least 0 for each of ${count} examples.\n  Received: ${weights.length} weights, the lowest ${Math.min(...weights.slice(0, 1000))}`,
    );
  if (present.length < 2)
    throw new TransferKitError(
      'bad-data',
      `a classifier cannot be solved from examples of ${present.length === 1 ? 'one label' : 'no label'} alone.\n  Fix: add examples of at least one other label, or give their weights a value above 0.`,
    );
}

function checkStrength(strength: number | 'auto'): void {
  if (strength === 'auto' || (typeof strength === 'number' && strength > 0 && Number.isFinite(strength))) return;
  throw new TransferKitError(
    'bad-option',
    `the strength of a solver must be 'auto' or a positive number: the inverse of the penalty, as scikit-learn's C.\n  Received: ${String(strength)}`,
  );
}

/**
 * Fits the linear layer of a classification head to all training features at once. Dropout has no part in it.
 *
 * @param features float32 [examples, features], as they come from the backbone. The caller disposes them
 * @param targets float32 [examples, labels], rows sum to 1. The caller disposes them
 * @throws TransferKitError `bad-data` when fewer than two labels occur; `bad-option` for weights or a strength that make no sense;
 *   `aborted`; `diverged` for features that are no numbers
 */
export async function solveClassification(
  model: LayersModel,
  [features]: readonly tf.Tensor[],
  [targets]: readonly tf.Tensor[],
  options: SolveOptions,
): Promise<SolveResult> {
  checkStrength(options.strength);
  const standardized = model.getLayer('standardize').apply(features!) as tf.Tensor2D;
  try {
    const { examples, present } = await examplesOf(standardized, targets!, options.weights);
    checkExamples(standardized.shape[0], options.weights, present);
    const { kernel, bias, ...result } = await solvers[options.solver](examples, options);
    write(model, spread({ kernel, bias }, present, targets!.shape[1]!));
    return result;
  } finally {
    standardized.dispose();
  }
}
