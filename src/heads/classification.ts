import * as tf from '@tensorflow/tfjs-core';
import { initializers, input, layers, model as layersModel, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import { classificationReport, type ClassificationReport } from '../evaluation/classification-report.js';
import type { JsonObject } from '../common/json.js';
import { Dropout } from '../layers/dropout.js';
import { Standardize } from '../layers/standardize.js';
import { balancedWeights, givenWeights } from './classification/class-weights.js';
import { checkLabels, oneHot } from './classification/labels.js';
import { defineHead, type Head, type HeadBuildContext, type LossOptions } from './head.js';

/** What a classifier says about one input. */
export interface ClassPrediction<Label extends string = string> {
  /** The most probable label. */
  readonly label: Label;
  /** Its probability, 0 to 1. */
  readonly confidence: number;
  /** The probability of every label; they sum to 1. */
  readonly scores: Readonly<Record<Label, number>>;
}

/** Options of `classification`. */
export interface ClassificationOptions {
  /** Part of the features that is dropped at random in each training step, 0 up to 1. Default 0. */
  readonly dropout?: number;
}

function checkOptions(options: ClassificationOptions): void {
  const unknown = Object.keys(options).find((name) => name !== 'dropout');
  if (unknown !== undefined) throw new TransferKitError('bad-option', `classification has no option "${unknown}".\n  Known: dropout`);
  const dropout = options.dropout ?? 0;
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1)) {
    throw new TransferKitError(
      'bad-option',
      `dropout of classification must be a number from 0 up to, not including, 1.\n  Received: ${String(dropout)}`,
    );
  }
}

/** features: float32 [batch, features] -> logits: float32 [batch, labels] */
function buildLayers(labels: readonly string[], rate: number, { shapes, seed }: HeadBuildContext): LayersModel {
  const features = input({ shape: [...shapes[0]!], name: 'features' });
  const standardized = new Standardize({ name: 'standardize' }).apply(features);
  const kept = rate === 0 ? standardized : new Dropout({ name: 'dropout', rate }).apply(standardized);
  const kernelInitializer = initializers.glorotUniform({ seed });
  const logits = layers.dense({ units: labels.length, name: 'logits', kernelInitializer }).apply(kept);
  return layersModel({ inputs: features, outputs: logits as SymbolicTensor, name: 'classification' });
}

function standardizeOf(model: LayersModel): Standardize {
  const layer = model.getLayer('standardize');
  if (layer instanceof Standardize) return layer;
  throw new TransferKitError(
    'bad-option',
    `adapt of the classification head needs the layers that its build made.\n  Received: a layer of class ${layer.getClassName()}`,
  );
}

/** Where 1 - p is smaller, its power no longer changes: the slope of a root at 0 is infinite. */
const leastDoubt = 1e-7;

/**
 * Softmax cross-entropy of each example. The smoothed target is y * (1 - smoothing) + smoothing / labels; with a focal gamma each
 * class counts (1 - p) ** gamma of what it would.
 * @param logits float32 [batch, labels]
 * @param target float32 [batch, labels], rows sum to 1; soft where examples were mixed
 * @source "Rethinking the Inception Architecture for Computer Vision", Szegedy et al. 2016, section 7; "Focal Loss for Dense Object
 *   Detection", Lin et al. 2017
 */
function crossEntropy(logits: tf.Tensor, target: tf.Tensor, { labelSmoothing = 0, focalGamma = 0 }: LossOptions): tf.Tensor1D {
  const uniform = labelSmoothing / logits.shape[1]!;
  const smoothed = labelSmoothing === 0 ? target : tf.add(tf.mul(target, 1 - labelSmoothing), uniform);
  // logSoftmax subtracts the largest logit first, so that nothing overflows.
  const logs = tf.logSoftmax(logits);
  if (focalGamma === 0) return tf.neg(tf.sum<tf.Tensor1D>(tf.mul(smoothed, logs), 1));
  const doubt = tf.maximum(tf.sub(1, tf.exp(logs)), leastDoubt);
  return tf.neg(tf.sum<tf.Tensor1D>(tf.mul(tf.mul(smoothed, tf.pow(doubt, focalGamma)), logs), 1));
}

/** Index of the largest number; the first of equals. */
const largest = (values: ArrayLike<number>): number => {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
};

/** Probabilities of one example. */
function softmax(logits: ArrayLike<number>): number[] {
  const top = logits[largest(logits)]!;
  const powers = Array.from(logits, (logit) => Math.exp(logit - top));
  const sum = powers.reduce((total, power) => total + power, 0);
  return powers.map((power) => power / sum);
}

/**
 * A head that puts each photo or sentence into one of several classes: a linear layer on standardised features, trained with
 * softmax cross-entropy.
 *
 * @param labels the class names; their order is the order of the scores
 * @returns a head whose predictions are `{ label, confidence, scores }`, typed by the labels
 * @throws TransferKitError `bad-data` for fewer than 2 labels or repeated ones; `bad-option`
 * @example
 * ```ts
 * import { addHead, classification, loadPretrained } from 'transferkit';
 *
 * const base = await loadPretrained('./mobilenet-v2');
 * const model = addHead(base, classification(['cat', 'dog']));
 * const { label } = await model.predict('new.jpg'); // 'cat' | 'dog'
 * ```
 */
export function classification<const Labels extends readonly string[]>(
  labels: Labels,
  options: ClassificationOptions = {},
): Head<Labels[number], ClassPrediction<Labels[number]>, ClassificationReport<Labels[number]>> {
  type Label = Labels[number];
  checkLabels(labels);
  checkOptions(options);
  const names: readonly Label[] = Object.freeze([...labels]);
  const indices = new Map<string, number>(names.map((label, index) => [label, index]));
  const head: Head<Label, ClassPrediction<Label>, ClassificationReport<Label>> = {
    apiVersion: 1,
    name: 'classification',
    config: { labels: names, ...(options.dropout === undefined ? {} : { dropout: options.dropout }) },
    takes: ['pooled'],
    branches: 1,
    encodesTargetAlone: true,
    build: (context) => buildLayers(names, options.dropout ?? 0, context),
    adapt: (model, [features]) => standardizeOf(model).adapt(features!),
    solvers: ['logistic-regression', 'nearest-centroid'],
    solve: async (...given) => (await import('./classification/solve.js')).solveClassification(...given),
    encode: (target) => [oneHot(target, indices, names)],
    targetPadding: [0],
    loss: ([logits], [target], lossOptions) => crossEntropy(logits!, target!, lossOptions),
    lossOptions: ['labelSmoothing', 'focalGamma'],
    softTargets: true,
    metrics: {
      accuracy: ([logits], [target]) => tf.cast(tf.equal(tf.argMax(logits!, 1), tf.argMax(target!, 1)), 'float32') as tf.Tensor1D,
    },
    exampleWeights: (targets, classWeights) =>
      classWeights === 'balanced' ? balancedWeights(targets) : givenWeights(targets, classWeights, names),
    decode: ([logits]) => toPrediction(softmax(logits!.values), names),
    report: (outcomes, reportOptions) => classificationReport({ labels: names, outcomes, ...reportOptions }),
    card: { pipelineTag: { image: 'image-classification', text: 'text-classification' }, labels: names },
  };
  return Object.freeze(head);
}

/** Probabilities with their names. `fromEntries` makes own members of any label, `__proto__` too. */
function toPrediction<Label extends string>(scores: readonly number[], labels: readonly Label[]): ClassPrediction<Label> {
  const best = largest(scores);
  const named = Object.fromEntries(labels.map((label, index) => [label, scores[index]!])) as Record<Label, number>;
  return { label: labels[best]!, confidence: scores[best]!, scores: named };
}

/** Restores a saved classification head. */
export const classificationHead = defineHead({
  apiVersion: 1,
  name: 'classification',
  restore({ labels, ...options }: JsonObject) {
    if (!Array.isArray(labels) || labels.length < 2 || !labels.every((label) => typeof label === 'string')) {
      throw new TransferKitError(
        'bad-config',
        `the saved classification head must list at least 2 labels.\n  Received: labels = ${JSON.stringify(labels)}`,
      );
    }
    try {
      return classification(labels as readonly string[], options as ClassificationOptions);
    } catch (cause) {
      throw new TransferKitError('bad-config', `the saved classification head is broken: ${(cause as Error).message}`, { cause });
    }
  },
});
