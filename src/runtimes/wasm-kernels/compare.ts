import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import { sizeOf, type KernelFactory } from './wasm-backend.js';

type Numbers = Float32Array | Int32Array | Uint8Array;
type Comparison = (a: Numbers, b: Numbers, out: Uint8Array, step: 0 | 1) => void;

/** Each is written out: one loop with a function inside would run ten times slower. `step` 0 compares with a single number. */
const COMPARISONS = {
  Less: (a, b, out, step) => {
    for (let index = 0; index < out.length; index++) out[index] = a[index]! < b[index * step]! ? 1 : 0;
  },
  LessEqual: (a, b, out, step) => {
    for (let index = 0; index < out.length; index++) out[index] = a[index]! <= b[index * step]! ? 1 : 0;
  },
  Greater: (a, b, out, step) => {
    for (let index = 0; index < out.length; index++) out[index] = a[index]! > b[index * step]! ? 1 : 0;
  },
  GreaterEqual: (a, b, out, step) => {
    for (let index = 0; index < out.length; index++) out[index] = a[index]! >= b[index * step]! ? 1 : 0;
  },
} satisfies Record<string, Comparison>;

export type ComparisonName = keyof typeof COMPARISONS;
export const comparisonNames = Object.keys(COMPARISONS) as ComparisonName[];

const fits = (a: TensorInfo, b: TensorInfo): boolean =>
  sizeOf(b.shape) === 1 && b.shape.length <= a.shape.length ? true : util.arraysEqual(a.shape, b.shape);

/** A comparison with equal shapes or one number on the right. tfjs's divides for each number to find its place: the gradient of relu6 compares with 6. */
export const compare =
  (name: ComparisonName): KernelFactory =>
  (stock) =>
  (call) => {
    const { inputs, backend } = call;
    const [a, b] = [inputs['a']!, inputs['b']!];
    if (a.dtype === 'string' || !fits(a, b)) return stock(call);
    const out = backend.makeOutput(a.shape, 'bool');
    const [left, right] = [backend.typedArrayFromHeap(a), backend.typedArrayFromHeap(b)];
    COMPARISONS[name](left, right, backend.typedArrayFromHeap(out) as Uint8Array, right.length === 1 ? 0 : 1);
    return out;
  };
