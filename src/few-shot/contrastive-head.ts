import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model as layersModel, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import type { Report } from '../evaluation/report.js';
import type { Head, HeadBuildContext, Outcome } from '../heads/head.js';

/** The cosine of two inputs' features. */
export interface CosinePrediction {
  readonly cosine: number;
}

/** left, right: float32 [batch, features] -> cosine: float32 [batch, 1]. It has no weights: what learns is the base. */
function buildLayers({ shapes }: HeadBuildContext): LayersModel {
  const sides = ['left', 'right'].map((name, branch) => input({ shape: [...shapes[branch]!], name }));
  const cosine = layers.dot({ axes: -1, normalize: true, name: 'cosine' }).apply(sides) as SymbolicTensor;
  return layersModel({ inputs: sides, outputs: cosine, name: 'contrastive' });
}

/** [batch, 1] or [batch] -> [batch] */
const flat = (values: tf.Tensor): tf.Tensor1D => tf.reshape(values, [values.shape[0]]);

function report(outcomes: readonly Outcome<number, CosinePrediction>[]): Report {
  const metrics = { loss: outcomes.reduce((sum, outcome) => sum + outcome.loss, 0) / outcomes.length };
  return { metrics, count: outcomes.length, summary: () => `loss ${metrics.loss}`, toJSON: () => ({ metrics }) };
}

/**
 * Pulls the features of alike inputs together and those of different ones apart: the cosine of a pair should be 1 or 0. It serves
 * to tune a base, and is thrown away afterwards.
 * @source Reimers and Gurevych, "Sentence-BERT", 2019 (the cosine-similarity loss)
 */
export function contrastive(): Head<number, CosinePrediction, Report, 2> {
  return Object.freeze<Head<number, CosinePrediction, Report, 2>>({
    apiVersion: 1,
    name: 'contrastive',
    config: {},
    takes: ['pooled'],
    branches: 2,
    build: buildLayers,
    encode: (target) => [{ shape: [], values: Float32Array.of(target) }],
    targetPadding: [0],
    loss: ([cosine], [target]) => tf.square(tf.sub<tf.Tensor1D>(flat(cosine!), flat(target!))),
    lossOptions: [],
    metrics: {},
    decode: ([cosine]) => ({ cosine: cosine!.values[0]! }),
    report,
    card: { pipelineTag: { image: 'image-feature-extraction', text: 'sentence-similarity' } },
  });
}
