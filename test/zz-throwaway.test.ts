import { test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import '@tensorflow/tfjs-backend-wasm';
import { mobilenetV2, mobilenetV2Config } from '../src/backbones/mobilenet-v2.js';
import { namedWeights } from '../src/layers/named-weights.js';
import { runGraph } from '../src/layers/run-graph.js';
test('x', async () => {
  await tf.setBackend('wasm'); await tf.ready();
  let t = performance.now();
  const b = mobilenetV2.build(mobilenetV2Config({ width: 1 }));
  console.log('build', performance.now() - t, b.groups.map((g) => g.name).join(' '), b.features.map!.shape, b.features.pooled.shape);
  const w = namedWeights(b.model); console.log([...w.keys()].slice(0, 12), w.size);
  const x = tf.randomUniform([1, 224, 224, 3], -1, 1);
  for (let i = 0; i < 4; i++) { t = performance.now(); const y = tf.tidy(() => runGraph(new Map([[b.model.inputs[0]!, x]]), [b.features.pooled]))[0]!; await y.data(); console.log('run', performance.now() - t, y.shape); }
});
