import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Scratch } from './wasm-backend.js';

const CACHE_LINE = 64; // bytes
const CACHE_SETS = 64; // of a first-level cache: the same on x86 and most ARM
const CACHE_WAYS = 12;
const STRIPS = [16, 8, 12, 10, 4];

const greatestDivisor = (a: number, b: number): number => (b === 0 ? a : greatestDivisor(b, a % b));

/**
 * The wasm kernel reads a matrix in order and writes with a stride of `rows` numbers. With a stride of many cache lines,
 * the lines of one column fall into few cache sets and push each other out: 8 times slower at 1024 x 1024.
 */
function writesCollide(rows: number, columns: number): boolean {
  const lines = (rows * 4) / CACHE_LINE;
  const sets = Number.isInteger(lines) ? CACHE_SETS / greatestDivisor(lines, CACHE_SETS) : CACHE_SETS;
  return columns > sets * CACHE_WAYS;
}

/**
 * Transposes the last two axes: [batch, rows, columns] -> [batch, columns, rows].
 * As [columns / strip, strip, rows] the same numbers come out of the kernel for three axes, which writes in order.
 */
export function transposeMatrices(scratch: Scratch, x: TensorInfo, batch: number, rows: number, columns: number): TensorInfo {
  const strip = STRIPS.find((width) => columns % width === 0);
  if (strip === undefined || !writesCollide(rows, columns)) {
    return scratch.run('Transpose', { x: { ...x, shape: [batch, rows, columns] } }, { perm: [0, 2, 1] });
  }
  const cut = { ...x, shape: [batch, rows, columns / strip, strip] };
  return scratch.run('Transpose', { x: cut }, { perm: [0, 2, 3, 1] });
}
