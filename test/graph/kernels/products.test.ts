import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, test } from 'vitest';
import { record } from '../../../src/graph/record.js';
import { writeOnnx } from '../../../src/graph/write-onnx.js';
import { productCases } from './cases/products.js';
import { ortOrReason, type Ort } from './load-ort.js';
import { prepareBackends, testCases } from './same-in-graph.js';

beforeAll(prepareBackends);

testCases('products and lookups', productCases);

// As in a batch of texts, whose words all have the type 0.
test.skipIf(ortOrReason instanceof Error)('sums of rows of one number are the same in one thread and in several', async () => {
  const { InferenceSession, Tensor } = ortOrReason as Ort;
  const [rows, features] = [1024, 64];
  const { model } = record({
    name: 'sum',
    inputs: [
      { name: 'x', type: 'float32', shape: [rows, features] },
      { name: 'types', type: 'int32', shape: [rows] },
    ],
    outputs: ['y'],
    compute: ([x, types]) => [tf.unsortedSegmentSum(x!, types as tf.Tensor1D, 2)],
  });
  const session = await InferenceSession.create(writeOnnx(model), { intraOpNumThreads: 4 });
  const feeds = {
    x: new Tensor('float32', new Float32Array(rows * features).fill(1), [rows, features]),
    types: new Tensor('int32', new Int32Array(rows), [rows]),
  };
  for (let run = 0; run < 200; run++) {
    const { y } = await session.run(feeds);
    const wrong = (y!.data as Float32Array).slice(0, features).filter((sum) => sum !== rows);
    expect([...wrong]).toEqual([]);
  }
  await session.release();
});
