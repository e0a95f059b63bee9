// A program of plain TensorFlow.js, which knows nothing of this package: loads a model by its address and runs it on numbers from stdin.
import '@tensorflow/tfjs-backend-cpu';
import * as tf from '@tensorflow/tfjs-core';
import { loadLayersModel } from '@tensorflow/tfjs-layers';

let text = '';
for await (const chunk of process.stdin) text += chunk;
const { address, inputs } = JSON.parse(text);
await tf.ready();
const model = await loadLayersModel(address);
const output = model.predict(inputs.map(({ values, shape }) => tf.tensor(values, shape)));
process.stdout.write(
  JSON.stringify({ layers: model.layers.map((layer) => layer.getClassName()), shape: output.shape, values: [...output.dataSync()] }),
);
