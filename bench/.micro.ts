import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { installWasmKernels } from '../src/runtimes/wasm-kernels.js';
setWasmPaths('/work/main/node_modules/@tensorflow/tfjs-backend-wasm/wasm-out/'); installWasmKernels(); await tf.setBackend('wasm');
const run = (n: string, i: any, a: any) => tf.engine().runKernel(n, i, a) as tf.Tensor;
const best = (name: string, macs: number, f: () => void) => { let b = 1e9; for (let i = 0; i < 12; i++) { const t = performance.now(); tf.tidy(() => void f()); b = Math.min(b, performance.now() - t); } console.log(name.padEnd(40), b.toFixed(2), 'ms', (b * 1e6 / macs).toFixed(2), 'ns/mac'); };
for (const [h, c, s] of [[56, 96, 2], [28, 144, 2], [28, 192, 1], [112, 32, 1], [56, 144, 1], [14, 384, 1], [7, 960, 1], [7, 576, 2]] as const) {
  const dy = tf.randomNormal([2, h, h, c]), x = tf.randomNormal([2, h * s, h * s, c]), w = tf.randomNormal([3, 3, c, 1]);
  const at = { strides: [s, s], pad: 'same', dilations: [1, 1] };
  best(`filter h${h} c${c} s${s}`, 2 * h * h * c * 9, () => run('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { ...at, filterShape: w.shape }));
  best(`input  h${h} c${c} s${s}`, 2 * h * h * c * 9, () => run('DepthwiseConv2dNativeBackpropInput', { dy, filter: w }, { ...at, inputShape: x.shape }));
  tf.dispose([dy, x, w]);
}
