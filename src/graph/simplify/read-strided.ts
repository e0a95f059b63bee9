/** Arrays of numbers that tensors are kept in. */
export type Numbers = Float32Array | Int32Array | BigInt64Array | Uint8Array;

/** How a tensor is read out of another one's row-major numbers: from `start`, `steps[axis]` entries on for each step along an axis. */
export interface StridedView {
  readonly shape: readonly number[];
  readonly steps: readonly number[];
  readonly start?: number;
}

/** Entries of a shape. */
export const entriesOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

/** Distances of neighbours along each axis of a row-major tensor. */
export const rowMajorSteps = (shape: readonly number[]): number[] => shape.map((_, axis) => entriesOf(shape.slice(axis + 1)));

/** How a tensor is read when it is broadcast to a larger shape. */
export function broadcastView(from: readonly number[], shape: readonly number[]): StridedView {
  const missing = shape.length - from.length;
  const own = rowMajorSteps(from);
  return { shape, steps: shape.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : own[axis - missing]!)) };
}

/** Copies the entries that a view meets into a row-major array of the same type. */
export function readStrided<Type extends Numbers>(numbers: Type, { shape, steps, start = 0 }: StridedView): Type {
  const result = new (numbers.constructor as new (length: number) => Type)(entriesOf(shape));
  const place = shape.map(() => 0);
  let from = start;
  for (let to = 0; to < result.length; to++) {
    result[to] = numbers[from]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += steps[axis]!;
      if (++place[axis]! < shape[axis]!) break;
      from -= steps[axis]! * shape[axis]!;
      place[axis] = 0;
    }
  }
  return result;
}
