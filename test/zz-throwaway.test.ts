import { test } from 'vitest';
import { readFileSync } from 'node:fs';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { goldenCase, largestDifference, loadGolden } from './golden/image-golden.js';
test('x', async () => {
  for (const b of ['wasm', 'cpu']) for (const n of ['huggingface','huggingface-classifier','huggingface-stem-expansion','huggingface-torch-padding']) {
    const e = await goldenCase('/work/main/test/golden/mobilenet-v2/' + n);
    await tf.setBackend(b);
    const a = await loadGolden(e);
    const bytes = readFileSync('/tmp/y64-' + n + '.bin'); const y64 = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
    console.log(b, n, 'vs stored', largestDifference(a.outputs.pooled!, e.outputs.pooled!), 'vs f64', largestDifference(a.outputs.pooled!, { shape: a.outputs.pooled!.shape, values: y64 }));
  }
});
