import * as tf from '@tensorflow/tfjs-core';

/**
 * A loss whose gradient is known: a 2x2 convolution of ones over the image 1..9, times a 1x1 matrix, squared and summed.
 * Window sums are 12, 16, 24, 28, so d(loss)/d(kernel) = 2 * sum(window sum * the pixel under the kernel's place), and
 * d(loss)/d(scale) = 2 * (144 + 256 + 576 + 784).
 */
const known = { kernel: [560, 720, 1040, 1200], scale: [3520] };

function lossOf(kernel: tf.Tensor, scale: tf.Tensor): tf.Scalar {
  const image = tf.tensor4d([1, 2, 3, 4, 5, 6, 7, 8, 9], [1, 3, 3, 1]);
  const sums = tf.conv2d(image, tf.reshape<tf.Rank.R4>(kernel, [2, 2, 1, 1]), 1, 'valid'); // [1, 2, 2, 1]
  return tf.sum(tf.square(tf.matMul(tf.reshape(sums, [4, 1]), tf.reshape(scale, [1, 1]))));
}

function sameNumbers(name: string, values: ArrayLike<number>, expected: readonly number[]): void {
  const differs = expected.findIndex((value, index) => !(Math.abs(value - values[index]!) <= Math.abs(value) * 1e-3));
  if (differs >= 0) throw new Error(`a test gradient came out wrong (${name}: expected ${expected[differs]}, received ${values[differs]})`);
}

/**
 * Lets the active backend compute a tiny gradient and compares it with the known answer.
 * @throws Error in plain words when it is wrong or cannot be computed.
 */
export async function probeBackend(): Promise<void> {
  const gradients = tf.tidy(() => tf.grads(lossOf)([tf.ones([4]), tf.ones([1])]));
  try {
    const [kernel, scale] = await Promise.all(gradients.map((gradient) => gradient.data()));
    sameNumbers('kernel', kernel!, known.kernel);
    sameNumbers('scale', scale!, known.scale);
  } finally {
    tf.dispose(gradients);
  }
}
