import * as tf from '@tensorflow/tfjs-core';
import type { Engine } from './engine.js';

/** Runs every operation at once on the active tfjs backend. */
export const eager: Engine = Object.freeze({
  name: 'eager',
  compile: (compute: (inputs: readonly tf.Tensor[]) => tf.Tensor[]) => ({
    run: (inputs: readonly tf.Tensor[]) => tf.tidy(() => compute(inputs)),
    dispose: () => undefined,
  }),
});
