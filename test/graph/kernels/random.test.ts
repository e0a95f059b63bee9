import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createRandom } from '../../../src/common/random.js';
import { eager } from '../../../src/engines/eager.js';
import type { HostTensor, TensorFunction } from '../../../src/engines/engine.js';
import { createOnnxEngine } from '../../../src/engines/onnx.js';
import type { LoadedOnnxRuntime } from '../../../src/engines/onnx/onnx-runtime.js';
import { dropValues } from '../../../src/layers/drop-values.js';
import { ortOrReason } from './load-ort.js';
import { prepareBackends } from './same-in-graph.js';

beforeAll(prepareBackends);
afterAll(() => tf.setBackend('wasm'));

const loaded = { runtime: ortOrReason, name: 'onnxruntime-node', session: {} } as unknown as LoadedOnnxRuntime;

/** Drops twice, and once in a gradient; the second mask is for text, so that it has two free sizes. */
const droppingTwice: TensorFunction = {
  name: 'drop',
  inputs: [
    { name: 'x', type: 'float32', shape: ['batch', 7] },
    { name: 'y', type: 'float32', shape: ['batch', 'tokens', 3] },
  ],
  outputs: ['dropped', 'gradient'],
  compute([x, y], random) {
    const first = dropValues(x!, 0.25, random());
    const seed = random();
    const gradient = tf.grad((values: tf.Tensor) => dropValues(tf.square(values), 0.6, seed))(y!);
    return [first, gradient];
  },
  constants: () => [],
};

const host = (shape: number[]): HostTensor => ({
  type: 'float32',
  shape,
  values: Float32Array.from({ length: tf.util.sizeFromShape(shape) }, (_, index) => 1 + index / 8),
});

/** The next seed, as a training step draws them. */
function seeds(name: string): () => number {
  const random = createRandom(7).fork(name);
  return () => random.integer(2 ** 31);
}

describe.skipIf(ortOrReason instanceof Error)('masks of dropout', () => {
  test('are the same in the graph as on both backends, for each seed and batch', async () => {
    const notes: string[] = [];
    const inGraph = createOnnxEngine(loaded, (note) => notes.push(note)).compile(droppingTwice);
    const inTfjs = eager.compile(droppingTwice);
    for (const [index, [batch, tokens]] of [
      [2, 5],
      [4, 3],
      [2, 5],
    ].entries()) {
      const inputs = [host([batch!, 7]), host([batch!, tokens!, 3])];
      const received = await inGraph.run(inputs, seeds(`step ${index}`));
      for (const backend of ['cpu', 'wasm']) {
        await tf.setBackend(backend);
        const expected = await inTfjs.run(inputs, seeds(`step ${index}`));
        expected.forEach(({ values, shape }, output) => {
          expect(received[output]!.shape).toEqual(shape);
          const differences = Array.from(
            values,
            (value, place) => Math.abs(value - received[output]!.values[place]!) / (1 + Math.abs(value)),
          );
          expect(Math.max(...differences)).toBeLessThan(1e-6);
        });
        expect(Array.from(expected[0]!.values).filter((value) => value === 0).length).toBeGreaterThan(0);
      }
    }
    expect(notes).toEqual([]);
    inGraph.dispose();
    inTfjs.dispose();
  });

  test('differ from step to step', async () => {
    const inGraph = createOnnxEngine(loaded).compile(droppingTwice);
    const inputs = [host([2, 7]), host([2, 5, 3])];
    const runs = [
      await inGraph.run(inputs, seeds('one')),
      await inGraph.run(inputs, seeds('other')),
      await inGraph.run(inputs, seeds('one')),
    ];
    const [one, other, again] = runs.map(([dropped]) => Array.from(dropped!.values));
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
    inGraph.dispose();
  });
});
