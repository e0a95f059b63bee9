import type { TensorInfo } from '@tensorflow/tfjs-core';
import { elementwise } from './native-calls.js';
import { addressOf, floatsOf, withScratch, type KernelCall, type KernelFactory, type Scratch } from './wasm-backend.js';

/** scale / sqrt(variance + epsilon), per channel. */
function factors(scratch: Scratch, { inputs, attrs }: KernelCall): TensorInfo {
  const { backend } = scratch;
  const out = scratch.empty(inputs['variance']!.shape);
  const variance = floatsOf(backend, inputs['variance']!);
  const scale = inputs['scale'] === undefined ? undefined : floatsOf(backend, inputs['scale']);
  const values = floatsOf(backend, out);
  for (let channel = 0; channel < values.length; channel++) {
    values[channel] = (scale?.[channel] ?? 1) / Math.sqrt(variance[channel]! + (attrs['varianceEpsilon'] as number));
  }
  return out;
}

const isPerChannel = (x: TensorInfo, ...statistics: (TensorInfo | undefined)[]): boolean =>
  statistics.every((values) => values === undefined || (values.shape.length === 1 && values.shape[0] === x.shape.at(-1)));

/** `FusedBatchNorm` in three SIMD passes. tfjs's takes a square root and a division for each number, not for each channel. */
export const fusedBatchNorm: KernelFactory = (stock) => (call) => {
  const { inputs, backend } = call;
  const [x, average, offset] = [inputs['x']!, inputs['mean']!, inputs['offset']];
  if (x.dtype !== 'float32' || !isPerChannel(x, average, inputs['variance'], offset, inputs['scale'])) return stock(call);
  return withScratch(backend, (scratch) => {
    const [factor, out] = [factors(scratch, call), scratch.empty(x.shape)];
    const at = (values: TensorInfo) => ({ address: addressOf(backend, values), shape: values.shape });
    if (!x.shape.includes(0)) {
      elementwise(backend.wasm, 'Sub', at(x), at(average), at(out));
      elementwise(backend.wasm, 'Multiply', at(out), at(factor), at(out));
      if (offset !== undefined) elementwise(backend.wasm, 'Add', at(out), at(offset), at(out));
    }
    return scratch.release(out, x.shape);
  });
};
