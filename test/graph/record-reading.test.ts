import * as tf from '@tensorflow/tfjs-core';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { TensorFunction } from '../../src/engines/engine.js';
import { record, recordReading } from '../../src/graph/record.js';
import { writeOnnx } from '../../src/graph/write-onnx.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';

/** Computes as the cpu backend does, and answers like a graphics card: not at once. */
class LateBackend extends MathBackendCPU {
  override readSync(): never {
    throw new Error('readSync is not supported');
  }
  override async read(dataId: object): Promise<tf.BackendValues> {
    return Promise.resolve(super.readSync(dataId));
  }
}

const late = 'transferkit-late';
let before: string;
beforeAll(async () => {
  before = tf.getBackend() || 'cpu';
  tf.registerBackend(late, () => new LateBackend());
  tf.copyRegisteredKernels('cpu', late);
  await tf.setBackend(late);
});
afterAll(async () => {
  await tf.setBackend(before);
  tf.removeBackend(late);
});

const functionOf = (weight: tf.Tensor, constants: () => readonly tf.Tensor[]): TensorFunction => ({
  name: 'product',
  inputs: [{ name: 'x', type: 'float32', shape: ['batch', 2] }],
  outputs: ['y'],
  compute: ([x]) => [tf.matMul(x as tf.Tensor2D, weight as tf.Tensor2D)],
  constants,
});

describe('a backend that cannot be read at once', () => {
  test('is read before the recording, each tensor once, and the graph is what another backend gives', async () => {
    const numbers = [1, 2, 3, 5, 7, 11];
    const weight = tf.tensor2d(numbers, [2, 3]);
    const count = tf.memory().numTensors;
    const reads = vi.spyOn(tf.backend() as tf.KernelBackend & { read(): unknown }, 'read');
    const { model } = await recordReading(functionOf(weight, () => [weight, weight]));
    expect(reads).toHaveBeenCalledTimes(1);
    reads.mockRestore();
    expect(tf.memory().numTensors).toBe(count);
    expect(tf.getBackend()).toBe(late);
    weight.dispose();

    await tf.setBackend('cpu');
    const twin = tf.tensor2d(numbers, [2, 3]);
    expect(writeOnnx(record(functionOf(twin, () => [])).model)).toEqual(writeOnnx(model));
    twin.dispose();
    await tf.setBackend(late);
  });

  test('is told of where a tensor was not said to be needed', async () => {
    const weight = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const words = ['a tensor [2,2] of a backend that cannot be read at once', 'cannot be recorded'];
    await expectFailure(() => recordReading(functionOf(weight, () => [])), 'unsupported', ...words);
    weight.dispose();
  });

  test('is not read where the recording fails for another reason', async () => {
    const weight = tf.tensor2d([1, 2, 3, 4], [2, 2]);
    const reads = vi.spyOn(tf.backend() as tf.KernelBackend & { read(): unknown }, 'read');
    const looking = { ...functionOf(weight, () => [weight]), compute: ([x]: readonly tf.Tensor[]) => (x!.dataSync(), [x!]) };
    await expectFailure(() => recordReading(looking), 'unsupported', 'looks at the numbers');
    expect(reads).not.toHaveBeenCalled();
    reads.mockRestore();
    weight.dispose();
  });
});
