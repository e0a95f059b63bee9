import { util, type TensorInfo } from '@tensorflow/tfjs-core';
import { elementwise } from './native-calls.js';
import {
  addressOf,
  floatsAt,
  floatsOf,
  sizeOf,
  withScratch,
  type Kernel,
  type KernelCall,
  type KernelFactory,
  type Scratch,
  type WasmModule,
} from './wasm-backend.js';

/** Below this many numbers per sum tfjs's transpose and loop is as fast. */
const SMALLEST_BLOCK = 512;

/** out[columns] = the sum of the rows, added by halves in SIMD: faster than one by one, and with less rounding. `work` holds rows / 2 of them. */
export function addRows(module: WasmModule, source: number, rows: number, columns: number, work: number, out: number): void {
  let [from, left] = [source, rows];
  while (left > 1) {
    const half = left >> 1;
    const last = half === 1 && left === 2 ? out : work;
    const size = half * columns;
    elementwise(
      module,
      'Add',
      { address: from, shape: [size] },
      { address: from + 4 * size, shape: [size] },
      { address: last, shape: [size] },
    );
    if (left % 2 === 1) {
      const odd = { address: from + 8 * size, shape: [columns] };
      elementwise(module, 'Add', { address: last, shape: [columns] }, odd, { address: last, shape: [columns] });
    }
    [from, left] = [last, half];
  }
  if (from !== out) floatsAt(module, out, columns).set(floatsAt(module, from, columns));
}

/** A sum over neighbouring axes, seen as [outer, reduced, inner] -> [outer, inner]. */
interface Block {
  readonly outer: number;
  readonly reduced: number;
  readonly inner: number;
}

/** The block of a reduction, or undefined where tfjs's own kernel is the right one: other axes between, or the last axis. */
function asBlock(x: TensorInfo, axes: readonly number[]): Block | undefined {
  const sorted = [...axes].sort((a, b) => a - b);
  const [first, last] = [sorted[0], sorted.at(-1)];
  if (x.dtype !== 'float32' || first === undefined || last === undefined || last - first + 1 !== sorted.length) return undefined;
  const [outer, reduced, inner] = [x.shape.slice(0, first), x.shape.slice(first, last + 1), x.shape.slice(last + 1)].map(sizeOf) as [
    number,
    number,
    number,
  ];
  if (inner === 1 && outer !== 1) return undefined;
  return outer > 0 && reduced > 1 && reduced * inner >= SMALLEST_BLOCK ? { outer, reduced, inner } : undefined;
}

/** Sums the middle axis of [outer, reduced, inner]. */
function sumBlock(scratch: Scratch, x: TensorInfo, { outer, reduced, inner }: Block): TensorInfo {
  const { backend } = scratch;
  const out = scratch.empty([outer, inner]);
  const work = scratch.empty([reduced >> 1, inner]);
  for (let index = 0; index < outer; index++) {
    addRows(
      backend.wasm,
      addressOf(backend, x, index * reduced * inner),
      reduced,
      inner,
      addressOf(backend, work),
      addressOf(backend, out, index * inner),
    );
  }
  scratch.drop(work);
  return out;
}

function scale(scratch: Scratch, x: TensorInfo, factor: number): void {
  const values = floatsOf(scratch.backend, x);
  for (let index = 0; index < values.length; index++) values[index]! *= factor;
}

const outShape = (x: TensorInfo, axes: readonly number[], keepDims: boolean): number[] =>
  x.shape.flatMap((length, axis) => (!axes.includes(axis) ? [length] : keepDims ? [1] : []));

function reduce({ inputs, attrs, backend }: KernelCall, isMean: boolean): TensorInfo | undefined {
  const x = inputs['x']!;
  const axes = util.parseAxisParam(attrs['axis'] as number | number[], [...x.shape]);
  const block = asBlock(x, axes);
  if (block === undefined) return undefined;
  return withScratch(backend, (scratch) => {
    const out = sumBlock(scratch, x, block);
    if (isMean) scale(scratch, out, 1 / block.reduced);
    return scratch.release(out, outShape(x, axes, attrs['keepDims'] === true));
  });
}

/** `Sum`: tfjs transposes the whole input when the axes are not the last ones, as for a bias or a batch normalisation. */
export const sum: KernelFactory =
  (stock): Kernel =>
  (call) =>
    reduce(call, false) ?? stock(call);

/** `Mean`: as `Sum`. */
export const mean: KernelFactory =
  (stock): Kernel =>
  (call) =>
    reduce(call, true) ?? stock(call);
