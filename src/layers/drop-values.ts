import * as tf from '@tensorflow/tfjs-core';
import { seededMask } from './seeded-mask.js';

/** The operation that makes a mask, so that a recorder sees where one is needed and with which seed. */
export const keepMaskKernel = 'TransferKitKeepMask';

/** What a mask is made of. */
export interface KeepMaskAttributes {
  readonly shape: readonly number[];
  /** Share of the values that is dropped. */
  readonly rate: number;
  readonly seed: number;
}

/** Makes the operation known to the backend in use. */
function ensureKernel(): void {
  const backendName = tf.getBackend();
  if (tf.getKernel(keepMaskKernel, backendName) != null) return;
  tf.registerKernel({
    kernelName: keepMaskKernel,
    backendName,
    kernelFunc: ({ attrs, backend }) => {
      const { shape, rate, seed } = attrs as unknown as KeepMaskAttributes;
      const kept = 1 / (1 - rate);
      const mask = Float32Array.from(seededMask(tf.util.sizeFromShape([...shape]), rate, seed), (keep) => keep * kept);
      const dataId = (backend as Pick<tf.KernelBackend, 'write'>).write(mask, [...shape], 'float32');
      return { dataId, shape: [...shape], dtype: 'float32' };
    },
  });
}

/** A mask of inverted dropout: 0 with probability `rate`, else 1 / (1 - rate). Same seed, same mask, on every backend. */
function keepMask(shape: number[], rate: number, seed: number): tf.Tensor {
  ensureKernel();
  return tf.engine().runKernel<tf.Tensor>(keepMaskKernel, {}, { shape, rate, seed });
}

/**
 * Sets a share of the values to 0 and scales the others up, so that the expected sum stays.
 * @param rate share of the values that is dropped, 0 up to but not 1
 * @param seed of the mask
 */
export function dropValues(values: tf.Tensor, rate: number, seed: number): tf.Tensor {
  return tf.mul(values, keepMask(values.shape, rate, seed));
}
