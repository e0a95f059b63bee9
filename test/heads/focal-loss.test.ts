import { readFileSync } from 'node:fs';
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { classification } from '../../src/heads/classification.js';

interface Golden {
  readonly logits: number[][];
  readonly targets: number[][];
  readonly cases: readonly {
    readonly gamma: number;
    readonly smoothing: number;
    readonly loss: number[];
    readonly gradient: number[][];
  }[];
}

const golden = JSON.parse(readFileSync(new URL('./focal-loss.json', import.meta.url), 'utf8')) as Golden;
const head = classification(['a', 'b', 'c']);

beforeAll(() => tf.setBackend('cpu'));

const largestDifference = (ours: ArrayLike<number>, theirs: readonly number[]): number =>
  theirs.reduce((worst, value, index) => Math.max(worst, Math.abs(value - ours[index]!) / Math.max(1, Math.abs(value))), 0);

const lossOf = (options: object) => (logits: tf.Tensor) => head.loss([logits], [tf.tensor2d(golden.targets)], options);

describe('focal loss', () => {
  it.each(golden.cases)('has the numbers of torch for gamma $gamma and smoothing $smoothing', ({ gamma, smoothing, loss, gradient }) => {
    const compute = lossOf({ focalGamma: gamma, labelSmoothing: smoothing });
    expect(largestDifference(compute(tf.tensor2d(golden.logits)).dataSync(), loss)).toBeLessThan(1e-6);
    const ours = tf.grad((logits: tf.Tensor) => tf.sum(compute(logits)))(tf.tensor2d(golden.logits));
    expect(largestDifference(ours.dataSync(), gradient.flat())).toBeLessThan(2e-6);
  });

  it('is cross-entropy at gamma 0 and without options', () => {
    const logits = tf.tensor2d(golden.logits);
    expect(lossOf({ focalGamma: 0 })(logits).dataSync()).toEqual(lossOf({})(logits).dataSync());
  });

  it('weighs down what is already right', () => {
    const logits = tf.tensor2d([
      [4, 0, 0],
      [0, 1, 0],
    ]);
    const losses = (focalGamma: number) => [...head.loss([logits], [tf.eye(2, 3)], { focalGamma }).dataSync()];
    const [plain, focal] = [losses(0), losses(2)];
    expect(focal[0]! / plain[0]!).toBeLessThan(0.01);
    expect(focal[1]! / plain[1]!).toBeGreaterThan(0.1);
  });

  it.each([0.3, 1, 2])('has a finite loss and gradient where the network is sure, gamma %d', (focalGamma) => {
    for (const target of [
      [1, 0, 0],
      [0, 1, 0],
      [0.5, 0.25, 0.25],
    ]) {
      // prettier-ignore
      for (const logit of [20, 60, 200]) {
        const loss = (logits: tf.Tensor) => tf.sum(head.loss([logits], [tf.tensor2d([target])], { focalGamma, labelSmoothing: 0.1 }));
        const { value, grad } = tf.valueAndGrad(loss)(tf.tensor2d([[logit, 0, -logit]]));
        expect([...value.dataSync(), ...grad.dataSync()].every(Number.isFinite), `${target.join()} ${logit}`).toBe(true);
      }
    }
  });
});

describe('the classification head', () => {
  it('says which loss options it honours, and that its targets may be mixed', () => {
    expect(head.lossOptions).toEqual(['labelSmoothing', 'focalGamma']);
    expect(head.softTargets).toBe(true);
  });

  it('gives mixed targets the mixture of the losses', () => {
    const logits = tf.tensor2d([[1, -2, 0.5]]);
    const loss = (target: number[]): number => head.loss([logits], [tf.tensor2d([target])], {}).dataSync()[0]!;
    expect(loss([0.3, 0, 0.7])).toBeCloseTo(0.3 * loss([1, 0, 0]) + 0.7 * loss([0, 0, 1]), 5);
  });

  it('still weighs classes', () => {
    expect([...head.exampleWeights!(['a', 'a', 'b'], 'balanced')]).toEqual([0.75, 0.75, 1.5]);
    expect([...head.exampleWeights!(['a', 'c'], { a: 3 })]).toEqual([3, 1]);
  });
});
