import * as tf from '@tensorflow/tfjs-core';
import type { Adapter } from '../../src/adapters/adapter.js';
import { createRandom } from '../../src/common/random.js';

/** Gives an adapter updates as training would: B random, magnitudes a little longer or shorter. */
export function randomize(adapter: Adapter, seed = 1, strength = 0.2): Adapter {
  const random = createRandom(seed);
  for (const { name, variable } of adapter.weights()) {
    if (name.endsWith('/lora_a')) continue;
    const scale = (value: number) => (name.endsWith('/magnitude') ? value * (0.8 + 0.4 * random.next()) : (random.next() - 0.5) * strength);
    const tensor = tf.tensor(Float32Array.from(variable.dataSync(), scale), variable.shape);
    variable.assign(tensor);
    tensor.dispose();
  }
  return adapter;
}
