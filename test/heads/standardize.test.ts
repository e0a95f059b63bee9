import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Standardize } from '../../src/layers/standardize.js';

beforeAll(() => tf.setBackend('cpu'));

const built = (features: number): Standardize => {
  const layer = new Standardize({ name: 'standardize' });
  layer.build([null, features]);
  return layer;
};
const apply = (layer: Standardize, values: tf.Tensor): tf.Tensor => layer.apply(values) as tf.Tensor;

describe('Standardize', () => {
  it('changes nothing before it is adapted', () => {
    const layer = built(2);
    expect([...apply(layer, tf.tensor2d([[3, -4]])).dataSync()]).toEqual([3, -4]);
    expect(layer.trainableWeights).toEqual([]);
    expect(layer.nonTrainableWeights).toHaveLength(2);
  });

  it('brings each feature to mean 0 and spread 1', () => {
    const features = tf.add(tf.mul(tf.randomNormal([200, 4], 0, 1, 'float32', 5), [100, 1, 0.05, 7]), [1000, 0, -3, 2]);
    const layer = built(4);
    layer.adapt(features);
    const { mean, variance } = tf.moments(apply(layer, features), 0);
    for (const value of mean.dataSync()) expect(value).toBeCloseTo(0, 3);
    for (const value of variance.dataSync()) expect(value).toBeCloseTo(1, 3);
  });

  it('takes the statistics over all but the last axis', () => {
    const layer = built(3);
    layer.adapt(tf.randomNormal([10, 6, 3], 5, 2, 'float32', 5));
    expect(layer.getWeights()[0]!.shape).toEqual([3]);
    expect(layer.getWeights()[0]!.dataSync()[0]).toBeGreaterThan(4);
  });

  it('does not blow up a constant feature, nor one that is constant but for rounding', () => {
    const layer = built(3);
    layer.adapt(
      tf.tensor2d([
        [5, 1, 7],
        [5, 2, 7.000001],
        [5, 3, 7],
      ]),
    );
    const [, scale] = layer.getWeights();
    expect(Math.max(...scale!.dataSync())).toBeLessThan(4);
    expect([...apply(layer, tf.tensor2d([[6, 2, 7]])).dataSync()].every((value) => Math.abs(value) < 10)).toBe(true);
  });

  it('only centres when there is no spread at all', () => {
    const layer = built(2);
    layer.adapt(tf.tensor2d([[3, 4]]));
    expect([...apply(layer, tf.tensor2d([[3, 5]])).dataSync()]).toEqual([0, 1]);
  });

  it('keeps what it has when it is adapted again', () => {
    const layer = built(1);
    layer.adapt(tf.tensor2d([[1], [3]]));
    const before = layer.getWeights().map((weight) => [...weight.dataSync()]);
    layer.adapt(tf.tensor2d([[100], [300]]));
    expect(layer.getWeights().map((weight) => [...weight.dataSync()])).toEqual(before);
    expect(before).toEqual([[2], [1]]);
  });

  it('leaves no tensor behind', () => {
    const layer = built(2);
    const features = tf.randomNormal([5, 2], 0, 1, 'float32', 5);
    const before = tf.memory().numTensors;
    layer.adapt(features);
    apply(layer, features).dispose();
    expect(tf.memory().numTensors).toBe(before);
  });

  it('is made again from its config', () => {
    expect(new Standardize(built(2).getConfig() as never).name).toBe('standardize');
    expect(tf.serialization.SerializationMap.getMap().classNameMap['TransferKitStandardize']).toBeDefined();
  });
});
