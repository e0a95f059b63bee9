import * as tf from '@tensorflow/tfjs-core';

/** What a part of a batch tells. */
export interface PartResult extends Record<string, tf.TensorContainer> {
  /** Sums over it, float32 [1 + metrics]. */
  readonly figures: tf.Tensor1D;
  /** Its share in the gradient of each weight; undefined for a weight that has no part in the loss. */
  readonly gradients: (tf.Tensor | undefined)[];
}

/** Adds what a part tells to the sums so far, and frees both. */
export function addResults(before: PartResult | undefined, part: PartResult): PartResult {
  if (before === undefined) return part;
  const add = <T extends tf.Tensor>(a: T, b: T): T => {
    const sum = tf.add<T>(a, b);
    tf.dispose([a, b]);
    return sum;
  };
  // A weight without a gradient in one part has none in any: parts differ in their examples alone.
  const gradients = part.gradients.map((gradient, index) => gradient && add(before.gradients[index]!, gradient));
  return { figures: add(before.figures, part.figures), gradients };
}
