import {
  getKernel,
  getKernelsForBackend,
  registerKernel,
  unregisterKernel,
  type KernelConfig,
  type KernelFunc,
} from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import { fusedBatchNorm } from './wasm-kernels/batch-norm.js';
import { compare, comparisonNames } from './wasm-kernels/compare.js';
import { conv2DBackpropFilter, conv2DBackpropInput } from './wasm-kernels/convolution.js';
import { depthwiseConv2dNativeBackpropFilter, depthwiseConv2dNativeBackpropInput } from './wasm-kernels/depthwise.js';
import { einsum } from './wasm-kernels/einsum.js';
import { identity } from './wasm-kernels/identity.js';
import { batchMatMul, fusedMatMul } from './wasm-kernels/mat-mul.js';
import { maxPoolGrad } from './wasm-kernels/max-pool.js';
import { explicitSamePadding } from './wasm-kernels/same-padding.js';
import { unsortedSegmentSum } from './wasm-kernels/segment-sum.js';
import { mean, sum } from './wasm-kernels/sum-axes.js';
import { tile } from './wasm-kernels/tile.js';
import type { Kernel, KernelFactory } from './wasm-kernels/wasm-backend.js';

/** Kernels of tfjs that training makes slow, or that are wrong somewhere; each hands back the cases in which tfjs's own is the right one. */
const replaced: Readonly<Record<string, KernelFactory>> = {
  BatchMatMul: batchMatMul,
  _FusedMatMul: fusedMatMul,
  Conv2D: explicitSamePadding(false),
  Conv2DBackpropInput: conv2DBackpropInput,
  DepthwiseConv2dNative: explicitSamePadding(true),
  FusedBatchNorm: fusedBatchNorm,
  FusedConv2D: explicitSamePadding(false),
  FusedDepthwiseConv2D: explicitSamePadding(true),
  Identity: identity,
  MaxPoolGrad: () => maxPoolGrad,
  Mean: mean,
  Sum: sum,
  Tile: tile,
  ...Object.fromEntries(comparisonNames.map((name) => [name, compare(name)])),
};

/** Kernels that tfjs's wasm backend lacks. */
const added: Readonly<Record<string, Kernel>> = {
  Conv2DBackpropFilter: conv2DBackpropFilter,
  DepthwiseConv2dNativeBackpropFilter: depthwiseConv2dNativeBackpropFilter,
  DepthwiseConv2dNativeBackpropInput: depthwiseConv2dNativeBackpropInput,
  Einsum: einsum,
  UnsortedSegmentSum: unsortedSegmentSum,
};

/** Marks our kernels, also across two copies of this package. */
const mark = Symbol.for('transferkit.wasm-kernel');

const find = (name: string): KernelConfig | undefined => getKernel(name, 'wasm');

function register(name: string, kernel: Kernel, stock?: KernelConfig): void {
  if (stock !== undefined) unregisterKernel(name, 'wasm');
  const kernelFunc = Object.assign((call: Parameters<Kernel>[0]) => kernel(call), { [mark]: true }) as unknown as KernelFunc;
  // tfjs's setup must still run when the backend starts later: it binds the function of the wasm module that we call.
  registerKernel({ ...stock, kernelName: name, backendName: 'wasm', kernelFunc });
}

/**
 * Makes training on tfjs's `wasm` backend possible and fast: adds the gradient kernels it lacks and replaces the slow ones.
 * Results stay those of the `cpu` backend within float32 rounding. Call it before or after the backend starts, as often as you like.
 *
 * @throws TransferKitError `missing-package` when `@tensorflow/tfjs-backend-wasm` was not imported first
 */
export function installWasmKernels(): void {
  if (getKernelsForBackend('wasm').length === 0) {
    throw new TransferKitError('missing-package', "the wasm backend is not loaded\n  Fix: import '@tensorflow/tfjs-backend-wasm' first");
  }
  for (const [name, factory] of Object.entries(replaced)) {
    const stock = find(name);
    if (stock !== undefined && !(mark in stock.kernelFunc)) register(name, factory(stock.kernelFunc as unknown as Kernel), stock);
  }
  for (const [name, kernel] of Object.entries(added)) if (find(name) === undefined) register(name, kernel);
}
