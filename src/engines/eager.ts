import * as tf from '@tensorflow/tfjs-core';
import type { CompiledFunction, Engine, TensorFunction } from './engine.js';
import { takeOut, tensorFrom } from './host-tensor.js';

const noSeeds = (): number => {
  throw new Error('a function that draws random numbers was run without seeds');
};

function compile({ compute }: TensorFunction): CompiledFunction {
  return {
    async run(inputs, random = noSeeds) {
      const tensors = tf.tidy(() => [...compute(inputs.map(tensorFrom), random)]);
      return Promise.all(tensors.map(takeOut));
    },
    dispose: () => undefined,
  };
}

/** Runs every operation at once on the active tfjs backend. */
export const eager: Engine = Object.freeze({ name: 'eager', compiles: false, compile, settle: () => undefined, forget: () => undefined });
