/** Chooses a backend, trains a convolution and a dense layer for some steps on it, and prints what happened as JSON. */
import * as tf from '@tensorflow/tfjs-core';
import { createBackends } from '../../src/runtimes/node/backends.js';

const backends = createBackends();
const choice = await backends.chooseBackend();

const before = tf.memory().numTensors;
const images = tf.randomUniform([16, 8, 8, 3], 0, 1, 'float32', 1);
const targets = tf.tidy(() => tf.reshape(tf.mean(images, [1, 2, 3]), [16, 1])); // what is learnt: the brightness
const kernel = tf.tidy(() => tf.variable(tf.randomNormal([3, 3, 3, 4], 0, 0.3, 'float32', 2)));
const dense = tf.tidy(() => tf.variable(tf.randomNormal([4, 1], 0, 0.3, 'float32', 3)));

function loss(): tf.Scalar {
  const features = tf.mean(tf.relu(tf.conv2d(images as tf.Tensor4D, kernel as tf.Tensor4D, 1, 'same')), [1, 2]); // [16, 4]
  return tf.mean(tf.square(tf.sub(tf.matMul(features, dense), targets)));
}

const losses: number[] = [];
for (let step = 0; step < 40; step++) {
  const { value, grads } = tf.variableGrads(loss, [kernel, dense]);
  losses.push((await value.data())[0]!);
  for (const variable of [kernel, dense]) {
    const next = tf.tidy(() => tf.sub(variable, tf.mul(grads[variable.name]!, 0.1)));
    variable.assign(next);
    next.dispose();
  }
  tf.dispose([value, grads]);
}
tf.dispose([images, targets]);
kernel.dispose();
dense.dispose();
process.stdout.write(JSON.stringify({ choice, describe: backends.describe(), losses, leaked: tf.memory().numTensors - before }));
