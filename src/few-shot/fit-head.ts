import * as tf from '@tensorflow/tfjs-core';
import type { Dataset } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { SolveResult } from '../heads/head.js';
import { readItems } from '../inference/read-items.js';
import { chunksOf, disposeAfter } from '../inference/run-examples.js';
import { collate } from '../inputs/collate.js';
import type { EncodedArray } from '../inputs/input.js';
import type { AnyModel } from '../training/weight-set.js';

/** The head's inputs and targets for all examples, read and run through the base as it stands. Caller disposes. */
async function featuresOf(model: AnyModel, data: Dataset): Promise<{ features: tf.Tensor; target: tf.Tensor }> {
  const rows: EncodedArray[] = [];
  const targets: EncodedArray[] = [];
  for (const chunk of chunksOf([...data.items.keys()])) {
    const items = await readItems(model, data, chunk[0]!, chunk[0]! + chunk.length, []);
    const inputs = items.flatMap((item) => item.branches);
    for (const [feature] of await model.base.features(inputs, model.head.takes)) rows.push(feature!);
    for (const item of items) targets.push(item.target[0]!);
  }
  if (rows.length === 0) throw new TransferKitError('bad-data', `no example of ${data.origin} could be read`);
  return { features: collate(rows), target: collate(targets) };
}

/** Mean variance of the features: what a penalty on features as they are is multiplied by for standardised ones. */
const meanVariance = (features: tf.Tensor): number => tf.tidy(() => tf.mean(tf.moments(features, 0).variance).dataSync()[0]!);

/** Fits the head of a model to a few examples, as the base now sees them. */
export async function fitHead(
  model: AnyModel,
  data: Dataset,
  { strength, seed }: { readonly strength: number | 'auto' | 'plain'; readonly seed: number },
): Promise<SolveResult> {
  const { features, target } = await featuresOf(model, data);
  const { head, headModel } = model;
  try {
    tf.tidy(() => head.adapt?.(headModel, [features], [target]));
    return await head.solve!(headModel, [features], [target], {
      solver: 'logistic-regression',
      weights: new Float32Array(features.shape[0]).fill(1),
      strength: strength === 'plain' ? meanVariance(features) || 1 : strength,
      seed,
    });
  } finally {
    disposeAfter([features, target], () => undefined);
  }
}
