import * as tf from '@tensorflow/tfjs-core';
import type { Base } from '../base.js';

/** A copy of all weights of a base, to go back to. Cheap: tensors share their data until they are written. */
export function takeBaseSnapshot(base: Base): { restore(): void; dispose(): void } {
  const { freeze } = base;
  const copies = [...base.weights().values()].map((weight) => [weight, tf.keep(tf.clone(weight.read()))] as const);
  return {
    restore() {
      base.freeze = freeze;
      for (const [weight, copy] of copies) weight.write(copy);
    },
    dispose: () => tf.dispose(copies.map(([, copy]) => copy)),
  };
}
