/**
 * A head of one's own: how alike are two sentences?
 *
 * Each example is a pair. Both sentences go through the same backbone and the same projection, and the cosine of the two vectors
 * is the answer, stretched to the scale that people rated on (0 to 5 in the STS benchmark). The projection starts as "change
 * nothing", so before training this is the plain cosine of the backbone's features; with a frozen backbone it is what learns.
 */
import * as tf from '@tensorflow/tfjs-core';
import { initializers, input, layers, model as layersModel, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import {
  correlation,
  defineHead,
  TransferKitError,
  type CorrelationMetrics,
  type Head,
  type HeadBuildContext,
  type JsonObject,
  type Outcome,
  type Report,
} from 'transferkit';

/** Options of `similarity`. */
export interface SimilarityOptions {
  /** The ratings for "nothing in common" and "the same". Default [0, 1]. */
  readonly scale?: readonly [lowest: number, highest: number];
}

/** How alike the two inputs of a pair are, on the scale of the head. */
export interface SimilarityPrediction {
  readonly similarity: number;
}

/** The verdict on predicted similarities. */
export interface SimilarityReport extends Report, CorrelationMetrics {}

/** left, right: float32 [batch, features] -> cosine: float32 [batch, 1] */
function buildLayers({ shapes }: HeadBuildContext): LayersModel {
  const features = shapes[0]![0]!;
  const sides = ['left', 'right'].map((name) => input({ shape: [features], name }));
  const projection = layers.dense({ units: features, useBias: false, kernelInitializer: initializers.identity({}), name: 'projection' });
  const projected = sides.map((side) => projection.apply(side) as SymbolicTensor);
  const cosine = layers.dot({ axes: -1, normalize: true, name: 'cosine' }).apply(projected) as SymbolicTensor;
  return layersModel({ inputs: sides, outputs: cosine, name: 'similarity' });
}

/** [batch, 1] or [batch] -> [batch] */
const flat = (values: tf.Tensor): tf.Tensor1D => tf.reshape(values, [values.shape[0]]);

/** What is wrong with each cosine, on the scale of 0 to 1: [batch] */
const errors = (cosine: tf.Tensor, target: tf.Tensor): tf.Tensor1D => tf.sub(flat(cosine), flat(target));

function report(outcomes: readonly Outcome<number, SimilarityPrediction>[]): SimilarityReport {
  const figures = correlation(
    outcomes.map(({ prediction }) => prediction.similarity),
    outcomes.map(({ target }) => target),
  );
  const loss = outcomes.reduce((sum, outcome) => sum + outcome.loss, 0) / outcomes.length;
  const metrics = { loss, ...figures };
  const lines = Object.entries(metrics).map(([name, value]) => `${name.padEnd(22)}${value.toFixed(4).padStart(8)}`);
  return {
    ...figures,
    metrics,
    count: outcomes.length,
    summary: () => [`${outcomes.length} pairs`, '', ...lines].join('\n'),
    toJSON: () => ({ metrics, count: outcomes.length }),
  };
}

/**
 * A head that tells how alike two inputs are.
 *
 * @throws TransferKitError `bad-option` when the scale does not go upwards
 * @example
 * ```ts
 * const model = addHead(base, similarity({ scale: [0, 5] }));
 * const { similarity: rating } = await model.predict(['A man plays a guitar.', 'Someone makes music.']);
 * ```
 */
export function similarity(options: SimilarityOptions = {}): Head<number, SimilarityPrediction, SimilarityReport, 2> {
  const [lowest, highest] = options.scale ?? [0, 1];
  if (!(Number.isFinite(lowest) && Number.isFinite(highest) && lowest < highest)) {
    throw new TransferKitError(
      'bad-option',
      `the scale of similarity must go upwards, such as [0, 5].\n  Received: [${lowest}, ${highest}]`,
    );
  }
  const toRating = (cosine: number): number => lowest + Math.max(0, Math.min(1, cosine)) * (highest - lowest);
  return {
    apiVersion: 1,
    name: 'similarity',
    config: { scale: [lowest, highest] },
    takes: ['pooled'],
    branches: 2,
    build: buildLayers,
    encode(target) {
      if (typeof target !== 'number' || !(target >= lowest && target <= highest)) {
        throw new TransferKitError(
          'bad-data',
          `a similarity must be a number from ${lowest} to ${highest}.\n  Received: ${String(target)}\n  Fix: correct the rating, or give the head another scale.`,
        );
      }
      return [{ shape: [], values: Float32Array.of((target - lowest) / (highest - lowest)) }];
    },
    targetPadding: [0],
    // On the scale of 0 to 1, so that a learning rate means the same whatever people rated on.
    loss: ([cosine], [target]) => tf.square(errors(cosine!, target!)),
    lossOptions: [],
    metrics: { absoluteError: ([cosine], [target]) => tf.mul<tf.Tensor1D>(tf.abs(errors(cosine!, target!)), highest - lowest) },
    decode: ([cosine]) => ({ similarity: toRating(cosine!.values[0]!) }),
    report,
    card: { pipelineTag: { image: 'image-feature-extraction', text: 'sentence-similarity' } },
  };
}

/** Restores a saved similarity head: `loadModel(path, { heads: [similarityHead] })`. */
export const similarityHead = defineHead({
  apiVersion: 1,
  name: 'similarity',
  restore({ scale }: JsonObject) {
    if (!Array.isArray(scale) || scale.length !== 2 || !scale.every((value: unknown) => typeof value === 'number')) {
      throw new TransferKitError(
        'bad-config',
        `the saved similarity head must have a scale of two numbers.\n  Received: ${JSON.stringify(scale)}`,
      );
    }
    return similarity({ scale: scale as unknown as readonly [number, number] });
  },
});
