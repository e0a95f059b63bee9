import * as tf from '@tensorflow/tfjs-core';
import type { HostTensor } from './engine.js';

/** Numbers as a tensor of the active backend. Caller disposes. */
export const tensorFrom = ({ values, shape, type }: HostTensor): tf.Tensor => tf.tensor(values, [...shape], type);

/** A tensor's numbers. It is disposed. */
export async function takeOut(tensor: tf.Tensor): Promise<HostTensor> {
  const { shape, dtype } = tensor;
  try {
    return { type: dtype as HostTensor['type'], shape, values: await tensor.data<'float32'>() };
  } finally {
    tensor.dispose();
  }
}
