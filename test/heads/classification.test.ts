import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { classification, classificationHead } from '../../src/heads/classification.js';
import { inference, runGraph } from '../../src/layers/run-graph.js';
import { input, layers, model as layersModel, type LayersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { expectError } from './expect-error.js';

beforeAll(() => tf.setBackend('cpu'));

const head = classification(['cat', 'dog', 'owl']);
const logitsOf = (rows: number[][]) => tf.tensor2d(rows);
const targetsOf = (labels: readonly ('cat' | 'dog' | 'owl')[]) =>
  tf.tensor2d(labels.map((label) => [...head.encode(label, [])[0]!.values]));
const lossOf = (rows: number[][], labels: readonly ('cat' | 'dog' | 'owl')[], labelSmoothing?: number) => [
  ...head.loss([logitsOf(rows)], [targetsOf(labels)], labelSmoothing === undefined ? {} : { labelSmoothing }).dataSync(),
];

const runHead = (model: LayersModel, features: tf.Tensor, options = inference): tf.Tensor =>
  runGraph(new Map([[model.inputs[0]!, features]]), model.outputs, options)[0]!;

describe('labels', () => {
  it('refuses fewer than two, saying which', () => {
    expectError(() => classification(['only']), 'bad-data', /at least 2 different labels[^]*Received: only[^]*Fix/);
    expectError(() => classification([]), 'bad-data', /Received: none/);
    expectError(() => classification(['same', 'same']), 'bad-data', /at least 2 different/);
  });

  it('refuses repeated labels and things that are not labels', () => {
    expectError(() => classification(['a', 'b', 'a']), 'bad-data', /more than once: a\./);
    expectError(() => classification(['a', 3 as never]), 'bad-data', /array of label names[^]*Received: 3/);
    expectError(() => classification(new Set(['a', 'b']) as never), 'bad-data', /array of label names/);
    expectError(() => classification(undefined as never), 'bad-data', /array of label names/);
  });

  it('refuses a dropout that would leave nothing, and options that do not exist', () => {
    for (const dropout of [1, -0.1, Number.NaN, '0.5' as never])
      expectError(() => classification(['a', 'b'], { dropout }), 'bad-option', /dropout[^]*from 0 up to/);
    expectError(() => classification(['a', 'b'], { drop: 0.1 } as never), 'bad-option', /no option "drop"[^]*dropout/);
  });

  it('names an unknown label, the nearest and the known ones', () => {
    expectError(() => head.encode('catt' as never, []), 'bad-data', /"catt"[^]*Did you mean "cat"\?[^]*Known: cat, dog, owl/);
    expectError(() => head.encode(4 as never, []), 'bad-data', /4 \(number\)/);
    const many = classification(Array.from({ length: 30 }, (_, index) => `label ${index}`));
    expectError(() => many.encode('nothing like it', []), 'bad-data', /label 19 and 10 more/);
  });

  it('takes labels that clash with the members of every object', () => {
    const odd = classification(['__proto__', 'constructor', '10', '2']);
    const { label, scores } = odd.decode([{ shape: [4], values: Float32Array.of(3, 0, 0, 0) }], []);
    expect(label).toBe('__proto__');
    expect(Object.hasOwn(scores, '__proto__')).toBe(true);
    expect(Object.values(scores).reduce((sum, score) => sum + score, 0)).toBeCloseTo(1, 12);
  });
});

describe('loss', () => {
  it('is the softmax cross-entropy', () => {
    // -ln(e^2 / (e^2 + e^1 + e^0)) and -ln(e^0 / ...)
    const losses = lossOf(
      [
        [2, 1, 0],
        [2, 1, 0],
      ],
      ['cat', 'owl'],
    );
    expect(losses[0]).toBeCloseTo(0.4076059644, 6);
    expect(losses[1]).toBeCloseTo(2.4076059644, 6);
  });

  it('spreads the target over all classes with label smoothing', () => {
    // target [0.9 + 0.1 / 3, 0.1 / 3, 0.1 / 3] against log-softmax [-0.40760596, -1.40760596, -2.40760596]
    expect(lossOf([[2, 1, 0]], ['cat'], 0.1)[0]).toBeCloseTo(0.5076059644, 6);
    expect(lossOf([[2, 1, 0]], ['cat'], 0)[0]).toBeCloseTo(0.4076059644, 6);
  });

  it('stays finite where exp would overflow', () => {
    const losses = lossOf(
      [
        [1e4, 0, -1e4],
        [1e4, 0, -1e4],
      ],
      ['cat', 'owl'],
      0.1,
    );
    expect(losses.every(Number.isFinite)).toBe(true);
    expect(lossOf([[1e4, 0, -1e4]], ['owl'])[0]).toBeCloseTo(2e4, 0);
  });

  it('has the gradient that finite differences give', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -3, max: 3, noNaN: true }), { minLength: 3, maxLength: 3 }),
        fc.constantFrom(0, 0.1, 0.5),
        (logits, smoothing) => {
          const target = targetsOf(['dog']);
          const loss = (values: tf.Tensor) => tf.sum<tf.Scalar>(head.loss([values], [target], { labelSmoothing: smoothing }));
          const gradient = tf
            .grad(loss as never)(tf.tensor2d([logits]))
            .dataSync();
          const step = 1e-2;
          logits.forEach((_, index) => {
            const at = (shift: number): number =>
              loss(tf.tensor2d([logits.map((value, other) => (other === index ? value + shift : value))])).dataSync()[0]!;
            expect(gradient[index]).toBeCloseTo((at(step) - at(-step)) / (2 * step), 2);
          });
        },
      ),
      { numRuns: 20, seed: 1 },
    );
  });
});

describe('weights, metrics, predictions', () => {
  it('balances classes as scikit-learn does', () => {
    // n / (classes * count): 4 / (2 * 3) and 4 / (2 * 1)
    const weights = [...head.exampleWeights!(['cat', 'cat', 'cat', 'dog'], 'balanced')];
    [2 / 3, 2 / 3, 2 / 3, 2].forEach((expected, index) => expect(weights[index]).toBeCloseTo(expected, 6));
  });

  it('takes given weights, 1 for what is not named', () => {
    expect([...head.exampleWeights!(['cat', 'dog', 'owl'], { dog: 2.5, owl: 0 })]).toEqual([1, 2.5, 0]);
    expectError(() => head.exampleWeights!(['cat'], { dogg: 2 }), 'bad-option', /"dogg"[^]*Did you mean "dog"\?[^]*Known: cat, dog, owl/);
    expectError(() => head.exampleWeights!(['cat'], { dog: -1 }), 'bad-option', /at least 0[^]*Received: -1/);
    expectError(() => head.exampleWeights!(['cat'], { dog: Number.NaN }), 'bad-option', /Received: NaN/);
  });

  it('counts the predicted labels that are right', () => {
    const accuracy = head.metrics['accuracy']!(
      [
        logitsOf([
          [2, 1, 0],
          [0, 1, 2],
        ]),
      ],
      [targetsOf(['cat', 'cat'])],
    );
    expect([...accuracy.dataSync()]).toEqual([1, 0]);
  });

  it('decodes to probabilities', () => {
    const { label, confidence, scores } = head.decode([{ shape: [3], values: Float32Array.of(1000, 1001, 999) }], []);
    expect(label).toBe('dog');
    expect(confidence).toBeCloseTo(0.66524096, 6);
    expect(scores.cat).toBeCloseTo(0.24472847, 6);
  });
});

describe('layers', () => {
  it('start from the seed alone', () => {
    const kernel = (seed: number): number[] => {
      const model = head.build({ shapes: [[5]], seed });
      const values = [...model.getLayer('logits').getWeights()[0]!.dataSync()];
      model.dispose();
      return values;
    };
    expect(kernel(7)).toEqual(kernel(7));
    expect(kernel(7)).not.toEqual(kernel(8));
  });

  it('train kernel and bias, and save mean and scale too', () => {
    const model = head.build({ shapes: [[5]], seed: 1 });
    expect(model.trainableWeights.map((weight) => weight.originalName)).toEqual(['logits/kernel', 'logits/bias']);
    expect(model.weights.map((weight) => weight.originalName).sort()).toEqual([
      'logits/bias',
      'logits/kernel',
      'standardize/mean',
      'standardize/scale',
    ]);
    model.dispose();
  });

  it('drop features in training only, by the seeds they are given', () => {
    const model = classification(['a', 'b'], { dropout: 0.5 }).build({ shapes: [[64]], seed: 1 });
    const features = tf.ones([2, 64]);
    const trained = (seed: number) => [...runHead(model, features, { training: () => true, random: () => seed }).dataSync()];
    const plain = [...runHead(model, features).dataSync()];
    expect(trained(3)).toEqual(trained(3));
    expect(trained(3)).not.toEqual(trained(4));
    expect(trained(3)).not.toEqual(plain);
    expect([...runHead(model, features).dataSync()]).toEqual(plain);
    model.dispose();
  });

  it('refuse to be adapted when they are not its own', () => {
    const features = input({ shape: [2] });
    const stranger = layersModel({
      inputs: features,
      outputs: layers.dense({ units: 1, name: 'standardize' }).apply(features) as SymbolicTensor,
    });
    expectError(() => head.adapt!(stranger, [tf.zeros([1, 2])], []), 'bad-option', /layers that its build made[^]*class Dense/);
    stranger.dispose();
  });

  it('learn to tell classes apart, on features of any size', () => {
    const model = head.build({ shapes: [[2]], seed: 1 });
    const features = tf.tensor2d([
      [9000, 0.1],
      [9000, 0.2],
      [9100, 0.1],
      [9101, 0.1],
      [9000, 0.9],
      [9001, 0.91],
    ]);
    const labels = ['cat', 'cat', 'dog', 'dog', 'owl', 'owl'] as const;
    const targets = targetsOf(labels);
    head.adapt!(model, [features], [targets]);
    const weights = model.trainableWeights.map((weight) => weight.read()) as unknown as tf.Variable[];
    const optimizer = tf.train.sgd(1);
    for (let step = 0; step < 60; step++)
      tf.tidy(
        () => void optimizer.minimize(() => tf.mean<tf.Scalar>(head.loss([runHead(model, features)], [targets], {})), false, weights),
      );
    const predicted = tf
      .unstack(runHead(model, features))
      .map((row) => head.decode([{ shape: [3], values: row.dataSync() as Float32Array }], []).label);
    expect(predicted).toEqual(labels);
    model.dispose();
  });

  it('leave no tensor behind', () => {
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      const model = head.build({ shapes: [[4]], seed: 1 });
      head.adapt!(model, [tf.randomNormal([8, 4], 0, 1, 'float32', 1)], []);
      runHead(model, tf.zeros([2, 4]));
      model.dispose();
    });
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('saving', () => {
  it('restores the same head from its config, through JSON', () => {
    const original = classification(['cat', 'dog'], { dropout: 0.25 });
    const restored = classificationHead.restore(JSON.parse(JSON.stringify(original.config)));
    expect(restored.config).toEqual(original.config);
    expect(restored.card).toEqual(original.card);
    expect(restored.name).toBe(classificationHead.name);
  });

  it('refuses a broken config', () => {
    for (const labels of [undefined, 'cat', ['cat'], ['cat', 1]])
      expectError(() => classificationHead.restore({ labels }), 'bad-config', /at least 2 labels[^]*Received/);
    expectError(() => classificationHead.restore({ labels: ['a', 'a'] }), 'bad-config', /saved classification head/);
    expectError(() => classificationHead.restore({ labels: ['a', 'b'], dropout: 2 }), 'bad-config', /saved classification head[^]*dropout/);
  });
});
