import { broadcast_util, util, type TensorInfo } from '@tensorflow/tfjs-core';
import { multiplyMatrices } from './native-calls.js';
import { planProduct, type ProductSizes } from './plan-product.js';
import { transposeMatrices } from './transpose-matrices.js';
import { addressOf, sizeOf, type Scratch } from './wasm-backend.js';

/** A product as the kernels are asked for it, with its sizes. */
export interface Product extends ProductSizes {
  readonly a: TensorInfo;
  readonly b: TensorInfo;
  /** Shape of the batch axes of the result. */
  readonly outer: readonly number[];
  readonly batchA: number;
  readonly batchB: number;
}

const outerOf = (x: TensorInfo): number[] => x.shape.slice(0, -2);

/** Reads the sizes, and checks them as tfjs does. */
export function describeProduct(a: TensorInfo, b: TensorInfo, transposeA: boolean, transposeB: boolean): Product {
  util.assert(
    a.dtype === 'float32' && b.dtype === 'float32',
    () => `matMul on the wasm backend needs float32, received ${a.dtype} and ${b.dtype}.`,
  );
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const [kOfB, n] = transposeB ? [columnsB, rowsB] : [rowsB, columnsB];
  util.assert(
    k === kOfB,
    () => `matMul: inner sizes ${k} and ${kOfB} of [${a.shape.join(', ')}] and [${b.shape.join(', ')}] must be equal.`,
  );
  const outer = broadcast_util.assertAndGetBroadcastShape(outerOf(a), outerOf(b));
  return { a, b, transposeA, transposeB, m, k, n, outer, batch: sizeOf(outer), batchA: sizeOf(outerOf(a)), batchB: sizeOf(outerOf(b)) };
}

/** For each matrix of the result, the number of the matrix of an operand whose batch axes are broadcast to it. */
function batchIndices(operand: TensorInfo, outer: readonly number[]): number[] {
  const own = outerOf(operand);
  const padded = [...new Array<number>(outer.length - own.length).fill(1), ...own];
  return outer.reduce<number[]>(
    (indices, length, axis) =>
      indices.flatMap((index) => Array.from({ length }, (_, at) => (padded[axis] === 1 ? index : index * length + at))),
    [0],
  );
}

interface Straight {
  readonly x: TensorInfo;
  readonly indices: readonly number[];
}

/** Multiplies straight operands: left [.., rows, shared], right [.., shared, columns]. One right matrix for all becomes one tall product. */
function multiplyStraight(scratch: Scratch, left: Straight, right: Straight, rows: number, shared: number, columns: number): TensorInfo {
  const { backend } = scratch;
  const count = left.indices.length;
  const tall = right.indices.every((index) => index === 0) && left.indices.every((index, at) => index === at);
  const out = scratch.empty([count, rows, columns]);
  const [leftStart, rightStart, outStart] = [addressOf(backend, left.x), addressOf(backend, right.x), addressOf(backend, out)];
  multiplyMatrices(backend.wasm, {
    rows: tall ? rows * count : rows,
    shared,
    columns,
    count: tall ? 1 : count,
    left: (index) => leftStart + 4 * left.indices[index]! * rows * shared,
    right: (index) => rightStart + 4 * right.indices[index]! * shared * columns,
    out: (index) => outStart + 4 * index * rows * columns,
  });
  return out;
}

/** The operands without transposition, the transposed one copied. */
export function straighten(
  scratch: Scratch,
  { a, b, m, k, n, transposeA, transposeB, batchA, batchB }: Product,
): [a: TensorInfo, b: TensorInfo] {
  return [transposeA ? transposeMatrices(scratch, a, batchA, k, m) : a, transposeB ? transposeMatrices(scratch, b, batchB, n, k) : b];
}

function multiplyDirect(scratch: Scratch, product: Product): TensorInfo {
  const { a, b, m, k, n, outer } = product;
  const [left, right] = straighten(scratch, product);
  return multiplyStraight(scratch, { x: left, indices: batchIndices(a, outer) }, { x: right, indices: batchIndices(b, outer) }, m, k, n);
}

/** (b^T a^T)^T */
function multiplySwapped(scratch: Scratch, { a, b, m, k, n, batch, batchA, batchB, outer, transposeA, transposeB }: Product): TensorInfo {
  const left = transposeB ? b : transposeMatrices(scratch, b, batchB, k, n);
  const right = transposeA ? a : transposeMatrices(scratch, a, batchA, m, k);
  const turned = multiplyStraight(
    scratch,
    { x: left, indices: batchIndices(b, outer) },
    { x: right, indices: batchIndices(a, outer) },
    n,
    k,
    m,
  );
  return transposeMatrices(scratch, turned, batch, n, m);
}

/** The product by XNNPACK, never by the plain loop. The result is the scratch's. */
export function multiplyFast(scratch: Scratch, product: Product): TensorInfo {
  const { batch, m, n, k } = product;
  if (batch * m * n === 0) return scratch.empty([batch, m, n]);
  if (k === 0) return scratch.zeros([batch, m, n]);
  return planProduct(product) === 'swapped' ? multiplySwapped(scratch, product) : multiplyDirect(scratch, product);
}

/** a times b for two matrices in any order, for use inside other kernels. */
export function multiply(scratch: Scratch, a: TensorInfo, b: TensorInfo, transposeA = false, transposeB = false): TensorInfo {
  return multiplyFast(scratch, describeProduct(a, b, transposeA, transposeB));
}
