import * as tf from '@tensorflow/tfjs-core';
import type { Solved, SolveExamples } from './solve.js';

/** Weighted means of the classes: float32 [classes, features]. */
function centroidsOf({ features, targets, weights, count }: SolveExamples): tf.Tensor2D {
  return tf.tidy(() => {
    const shares = targets.map((share, index) => share * weights[Math.floor(index / count)]!);
    const membership = tf.transpose(tf.tensor2d(shares, [features.shape[0], count]));
    return tf.div(tf.matMul(membership, features), tf.sum(membership, 1, true));
  });
}

/** Squared distances of examples to centroids, float32 [examples, classes], row-major. */
async function distancesOf(features: tf.Tensor2D, centroids: tf.Tensor2D): Promise<Float32Array> {
  const distances = tf.tidy(() => {
    const lengths = tf.sum(tf.square(features), 1, true);
    const centroidLengths = tf.sum(tf.square(centroids), 1);
    return tf.add(tf.sub(lengths, tf.mul(tf.matMul(features, tf.transpose(centroids)), 2)), centroidLengths);
  });
  const values = (await distances.data()) as Float32Array;
  distances.dispose();
  return values;
}

/**
 * Makes the distance of each example to its own centroid what it would be had the example no part in it: were it not so, every
 * example would seem closer to its class than a new one is.
 * @returns the examples that a class has others beside
 */
function leaveOut(distances: Float32Array, { classes, weights, count }: SolveExamples): number[] {
  const totals = new Float64Array(count);
  classes.forEach((label, index) => (totals[label]! += weights[index]!));
  const usable: number[] = [];
  classes.forEach((label, index) => {
    const rest = totals[label]! - weights[index]!;
    if (weights[index]! === 0 || rest <= 1e-9 * totals[label]!) return;
    distances[index * count + label]! *= (totals[label]! / rest) ** 2;
    usable.push(index);
  });
  return usable;
}

/** Slope over the scale of the weighted mean loss of softmax(-scale * distance), and the loss itself. */
function lossAt(scale: number, distances: Float32Array, rows: readonly number[], { classes, weights, count }: SolveExamples) {
  let [loss, slope, total] = [0, 0, 0];
  for (const row of rows) {
    const own = distances.subarray(row * count, (row + 1) * count);
    const nearest = own.reduce((least, distance) => Math.min(least, distance), Infinity);
    let [sum, first] = [0, 0];
    for (const distance of own) {
      const power = Math.exp(-scale * (distance - nearest));
      sum += power;
      first += power * distance;
    }
    const [mean, truth, weight] = [first / sum, own[classes[row]!]!, weights[row]!];
    loss += weight * (scale * (truth - nearest) + Math.log(sum));
    slope += weight * (truth - mean);
    total += weight;
  }
  return { loss: loss / total, slope: slope / total };
}

/** Bounds of the scale, over the mean squared distance: from "all classes alike" to "the nearest alone". */
const [leastScale, mostScale] = [1e-3, 1e3];
/** Steps of the bisection: the scale to six digits. */
const bisections = 40;

/**
 * The scale at which confidences fit how often the nearest centroid is right. The loss is convex in it, so its slope has one root,
 * which bisection finds.
 */
function fitScale(distances: Float32Array, rows: readonly number[], examples: SolveExamples): number {
  const mean = distances.reduce((sum, distance) => sum + distance, 0) / distances.length || 1;
  if (rows.length === 0) return 1 / mean;
  let [low, high] = [Math.log(leastScale / mean), Math.log(mostScale / mean)];
  for (let round = 0; round < bisections; round++) {
    const middle = (low + high) / 2;
    if (lossAt(Math.exp(middle), distances, rows, examples).slope > 0) high = middle;
    else low = middle;
  }
  return Math.exp((low + high) / 2);
}

/**
 * Nearest class mean as a linear layer: with kernel 2 mean and bias -|mean|^2 the largest logit is the nearest mean, for
 * -|x - mean|^2 differs from it by what all classes share. A scale, fitted to leave-one-out distances, makes probabilities of them.
 * @source Tibshirani et al. 2002, Diagnosis of multiple cancer types by shrunken centroids, without the shrinking
 */
export async function fitCentroids(examples: SolveExamples): Promise<Solved> {
  const centroids = centroidsOf(examples);
  try {
    const distances = await distancesOf(examples.features, centroids);
    const rows = leaveOut(distances, examples);
    const scale = fitScale(distances, rows, examples);
    const means = (await centroids.data()) as Float32Array;
    const { count } = examples;
    const width = means.length / count;
    const kernel = Float32Array.from(
      { length: means.length },
      (_, place) => 2 * scale * means[(place % count) * width + Math.floor(place / count)]!,
    );
    const bias = Float32Array.from({ length: count }, (_, label) => {
      const own = means.subarray(label * width, (label + 1) * width);
      return -scale * own.reduce((sum, value) => sum + value * value, 0);
    });
    const judged = rows.length > 0 ? rows : [...examples.classes.keys()];
    return { kernel, bias, loss: lossAt(scale, distances, judged, examples).loss, iterations: 0 };
  } finally {
    centroids.dispose();
  }
}
