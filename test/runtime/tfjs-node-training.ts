/** Trains a tiny network of each kind with `fineTune` on the backend that is chosen, and prints what happened as JSON. */
import * as tf from '@tensorflow/tfjs-core';
import { bert } from '../../src/backbones/bert.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { fineTune } from '../../src/fine-tune.js';
import { runtime } from '../../src/runtimes/node.js';
import { tinyModel, tinySamples } from '../../src/testing/tiny-model.js';

const choice = await runtime.chooseBackend();
const before = tf.memory().numTensors;
const losses: number[] = [];
for (const family of [mobilenetV2, bert]) {
  const model = await tinyModel(family, runtime);
  const data = tinySamples(family);
  const { history } = await fineTune(model, data, {
    unfreeze: 'all',
    epochs: 10,
    headEpochs: 2,
    learningRate: 1e-4,
    validation: 0,
    progress: false,
  });
  losses.push(...history.epochs.map((epoch) => epoch.loss));
  await model.predict(data.items.map((item) => item.input) as never);
  model.dispose();
}
process.stdout.write(JSON.stringify({ choice, describe: runtime.describe(), losses, leaked: tf.memory().numTensors - before }));
