import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import { beforeAll, describe, expect, it } from 'vitest';
import { similarity, similarityHead } from '../../examples/plugins/similarity-head.js';
import { disposeModel } from '../../src/layers/dispose-model.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { expectError } from './expect-error.js';

beforeAll(() => tf.setBackend('cpu'));

const head = similarity({ scale: [0, 5] });
const run = (model: LayersModel, left: tf.Tensor, right: tf.Tensor): tf.Tensor =>
  runGraph(
    new Map([
      [model.inputs[0]!, left],
      [model.inputs[1]!, right],
    ]),
    model.outputs,
  )[0]!;
const build = (features: number): LayersModel => head.build({ shapes: [[features], [features]], seed: 1 });

describe('the similarity plug-in', () => {
  it('starts as the plain cosine', () => {
    const model = build(2);
    const cosines = [
      ...run(
        model,
        tf.tensor2d([
          [1, 0],
          [1, 0],
          [3, 4],
        ]),
        tf.tensor2d([
          [5, 0],
          [0, 2],
          [4, 3],
        ]),
      ).dataSync(),
    ];
    [1, 0, 0.96].forEach((expected, index) => expect(cosines[index]).toBeCloseTo(expected, 5));
    disposeModel(model);
  });

  it('rates on the scale that people used', () => {
    const rate = (cosine: number): number => head.decode([{ shape: [1], values: Float32Array.of(cosine) }], []).similarity;
    expect([rate(1), rate(0.5), rate(0), rate(-0.3)]).toEqual([5, 2.5, 0, 0]);
    expect(similarity({ scale: [1, 5] }).decode([{ shape: [1], values: Float32Array.of(0.5) }], []).similarity).toBe(3);
  });

  it('loses the square of what is wrong, between 0 and 1', () => {
    const target = tf.tensor([...head.encode(2.5, [])[0]!.values]);
    expect(head.loss([tf.tensor2d([[0.9]])], [target], {}).dataSync()[0]).toBeCloseTo(0.16, 6);
    expect(head.metrics['absoluteError']!([tf.tensor2d([[0.9]])], [target]).dataSync()[0]).toBeCloseTo(2, 5);
  });

  it('learns which features matter, with a frozen backbone', () => {
    const model = build(4);
    // Only the first two features say what a sentence is about; the others are noise of the same size.
    const noise = (seed: number): tf.Tensor => tf.randomNormal([40, 2], 0, 1, 'float32', seed);
    const angles = Array.from({ length: 40 }, (_, index) => index * 0.7);
    const topic = tf.tensor2d(angles.map((angle) => [Math.cos(angle), Math.sin(angle)]));
    const same = tf.tensor(angles.map((_, index) => index % 2));
    const turned = tf.tensor2d(
      angles.map((angle, index) => (index % 2 === 1 ? [Math.cos(angle), Math.sin(angle)] : [-Math.sin(angle), Math.cos(angle)])),
    );
    const [left, right] = [tf.concat([topic, noise(1)], 1), tf.concat([turned, noise(2)], 1)];
    const lossNow = (): tf.Scalar => tf.mean<tf.Scalar>(head.loss([run(model, left, right)], [same], {}));
    const weights = model.trainableWeights.map((weight) => weight.read()) as unknown as tf.Variable[];
    const [before] = lossNow().dataSync();
    const optimizer = tf.train.adam(0.05);
    for (let step = 0; step < 60; step++) tf.tidy(() => void optimizer.minimize(lossNow, false, weights));
    expect(lossNow().dataSync()[0]).toBeLessThan(before! / 5);
    disposeModel(model);
  });

  it('reports correlations', () => {
    const outcome = (id: string, target: number, answer: number) => ({
      id,
      target,
      prediction: { similarity: answer },
      loss: 0.25,
      metrics: {},
    });
    const report = head.report([outcome('a', 0, 1), outcome('b', 2, 2), outcome('c', 5, 4)], { seed: 1 });
    expect(report.spearman).toBe(1);
    expect(report.pearson).toBeCloseTo(69 / Math.sqrt(42 * 114), 12);
    expect(report.meanAbsoluteError).toBeCloseTo(2 / 3, 12);
    expect(report.metrics['loss']).toBe(0.25);
    expect(report.count).toBe(3);
    expect(report.summary()).toMatch(/3 pairs[^]*pearson\s+0\.9972/);
    expect(JSON.parse(JSON.stringify(report)).metrics.spearman).toBe(1);
  });

  it('comes back from its config', () => {
    expect(similarityHead.restore(JSON.parse(JSON.stringify(head.config))).config).toEqual({ scale: [0, 5] });
    expectError(() => similarityHead.restore({ scale: [0] }), 'bad-config', /scale of two numbers/);
  });

  it('refuses what it cannot use', () => {
    expectError(() => similarity({ scale: [5, 0] }), 'bad-option', /go upwards[^]*\[5, 0\]/);
    expectError(() => head.encode(5.5, []), 'bad-data', /from 0 to 5[^]*Received: 5\.5/);
    expectError(() => head.encode('high' as never, []), 'bad-data', /Received: high/);
  });

  it('leaves no tensor behind', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const model = build(3);
      tf.variableGrads(() => tf.mean<tf.Scalar>(run(model, tf.ones([2, 3]), tf.ones([2, 3]))));
      disposeModel(model);
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});
