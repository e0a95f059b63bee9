import * as tf from '@tensorflow/tfjs-core';
import { initializers, input, layers, model as layersModel, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import { classificationReport, type ClassificationReport } from '../evaluation/classification-report.js';
import type { EncodedArray } from '../inputs/input.js';
import type { JsonObject } from '../json.js';
import { Dropout } from '../layers/dropout.js';
import { Standardize } from '../layers/standardize.js';
import { nearestName } from '../nearest-name.js';
import { defineHead, type Head, type HeadBuildContext } from './head.js';

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

/** The labels in words, cut short where there are many. */
const listed = (labels: readonly string[]): string =>
  labels.length <= 20 ? labels.join(', ') : `${labels.slice(0, 20).join(', ')} and ${labels.length - 20} more`;

function checkLabels(labels: readonly string[]): void {
  const broken = Array.isArray(labels) ? labels.find((label) => typeof label !== 'string') : labels;
  if (!Array.isArray(labels) || broken !== undefined) {
    throw new TransferKitError('bad-data', `classification takes an array of label names.\n  Received: ${JSON.stringify(broken) ?? typeof broken}\n  Fix: turn labels into strings, such as String(label).`);
  }
  const repeated = [...new Set(labels.filter((label, index) => labels.indexOf(label) !== index))];
  if (new Set(labels).size < 2) {
    throw new TransferKitError('bad-data', `classification needs at least 2 different labels.\n  Received: ${labels.length === 0 ? 'none' : listed(labels)}\n  Fix: add examples of another class; to tell one class from everything else, add examples labelled "other".`, { details: { labels } });
  }
  if (repeated.length > 0) {
    throw new TransferKitError('bad-data', `classification got the same label more than once: ${listed(repeated)}.\n  Fix: pass each label once, such as [...new Set(labels)].`, { details: { repeated } });
  }
}

function checkOptions(options: ClassificationOptions): void {
  const unknown = Object.keys(options).find((name) => name !== 'dropout');
  if (unknown !== undefined) throw new TransferKitError('bad-option', `classification has no option "${unknown}".\n  Known: dropout`);
  const dropout = options.dropout ?? 0;
  if (typeof dropout !== 'number' || !(dropout >= 0 && dropout < 1)) {
    throw new TransferKitError('bad-option', `dropout of classification must be a number from 0 up to, not including, 1.\n  Received: ${String(dropout)}`);
  }
}

/** features: float32 [batch, features] -> logits: float32 [batch, labels] */
function buildLayers(labels: readonly string[], rate: number, { shapes, seed }: HeadBuildContext): LayersModel {
  const features = input({ shape: [...shapes[0]!], name: 'features' });
  const standardized = new Standardize({ name: 'standardize' }).apply(features);
  const kept = rate === 0 ? standardized : new Dropout({ name: 'dropout', rate }).apply(standardized as SymbolicTensor);
  const kernelInitializer = initializers.glorotUniform({ seed });
  const logits = layers.dense({ units: labels.length, name: 'logits', kernelInitializer }).apply(kept);
  return layersModel({ inputs: features, outputs: logits as SymbolicTensor, name: 'classification' });
}

/**
 * Softmax cross-entropy of each example. The smoothed target is y * (1 - smoothing) + smoothing / labels.
 * @param logits float32 [batch, labels]
 * @param target float32 [batch, labels], rows sum to 1
 * @source "Rethinking the Inception Architecture for Computer Vision", Szegedy et al. 2016, section 7
 */
function crossEntropy(logits: tf.Tensor, target: tf.Tensor, smoothing: number): tf.Tensor1D {
  const uniform = smoothing / logits.shape[1]!;
  const smoothed = smoothing === 0 ? target : tf.add(tf.mul(target, 1 - smoothing), uniform);
  // logSoftmax subtracts the largest logit first, so that nothing overflows.
  return tf.neg(tf.sum(tf.mul(smoothed, tf.logSoftmax(logits)), 1)) as tf.Tensor1D;
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

function unknownLabel(target: unknown, labels: readonly string[]): TransferKitError {
  const nearest = typeof target === 'string' ? nearestName(target, labels) : undefined;
  const shown = typeof target === 'string' ? `"${target}"` : `${String(target)} (${typeof target})`;
  const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
  return new TransferKitError('bad-data', `the label ${shown} is not one that this model knows.${hint}\n  Known: ${listed(labels)}\n  Fix: correct the label, leave the example out, or make the head with all labels of the data.`, { details: { label: target, labels, nearest } });
}

/** Weights that make each class present count alike: examples / (classes * examples of the class), as scikit-learn has it. */
function balancedWeights(targets: readonly string[]): Float32Array {
  const counts = new Map<string, number>();
  for (const target of targets) counts.set(target, (counts.get(target) ?? 0) + 1);
  return Float32Array.from(targets, (target) => targets.length / (counts.size * counts.get(target)!));
}

function givenWeights(targets: readonly string[], classWeights: Readonly<Record<string, number>>, labels: readonly string[]): Float32Array {
  const weights = new Map(Object.entries(classWeights));
  for (const [label, weight] of weights) {
    const nearest = nearestName(label, labels);
    const hint = nearest === undefined ? '' : ` Did you mean "${nearest}"?`;
    if (!labels.includes(label)) throw new TransferKitError('bad-option', `classWeights names the label "${label}", which this model does not know.${hint}\n  Known: ${listed(labels)}`);
    if (!Number.isFinite(weight) || weight < 0) throw new TransferKitError('bad-option', `the class weight of "${label}" must be a number of at least 0.\n  Received: ${String(weight)}`);
  }
  return Float32Array.from(targets, (target) => weights.get(target) ?? 1);
}

/** One label as numbers: float32 [labels], 1 at the label. A vector and not an index, so that targets can be mixed or soft. */
function oneHot(target: string, indices: ReadonlyMap<string, number>, labels: readonly string[]): EncodedArray {
  const index = indices.get(target);
  if (index === undefined) throw unknownLabel(target, labels);
  const values = new Float32Array(labels.length);
  values[index] = 1;
  return { shape: [labels.length], values };
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
 * const { label } = await model.predict('photo.jpg'); // 'cat' | 'dog'
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
  const indices = new Map(names.map((label, index) => [label as string, index]));
  const head: Head<Label, ClassPrediction<Label>, ClassificationReport<Label>> = {
    apiVersion: 1,
    name: 'classification',
    config: { labels: names, ...(options.dropout === undefined ? {} : { dropout: options.dropout }) },
    takes: ['pooled'],
    branches: 1,
    build: (context) => buildLayers(names, options.dropout ?? 0, context),
    adapt: (model, [features]) => (model.getLayer('standardize') as Standardize).adapt(features!),
    encode: (target) => [oneHot(target, indices, names)],
    targetPadding: [0],
    loss: ([logits], [target], { labelSmoothing = 0 }) => crossEntropy(logits!, target!, labelSmoothing),
    lossOptions: ['labelSmoothing'],
    metrics: { accuracy: ([logits], [target]) => tf.cast(tf.equal(tf.argMax(logits!, 1), tf.argMax(target!, 1)), 'float32') as tf.Tensor1D },
    exampleWeights: (targets, classWeights) => (classWeights === 'balanced' ? balancedWeights(targets) : givenWeights(targets, classWeights, names)),
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
      throw new TransferKitError('bad-config', `the saved classification head must list at least 2 labels.\n  Received: labels = ${JSON.stringify(labels)}`);
    }
    try {
      return classification(labels as readonly string[], options as ClassificationOptions);
    } catch (cause) {
      throw new TransferKitError('bad-config', `the saved classification head is broken: ${String((cause as Error).message)}`, { cause });
    }
  },
});
