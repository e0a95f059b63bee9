import type { TensorValue } from './tensor-value.js';
import { elementCount } from './tensor-value.js';

/**
 * How a published tensor's axes become ours.
 * - `copy`: as it is
 * - `linear`: PyTorch dense `[out, in]` -> `[in, out]`
 * - `conv2d`: PyTorch convolution `[out, in, height, width]` -> `[height, width, in, out]`
 * - `depthwise`: PyTorch depthwise `[channels * multiplier, 1, height, width]` -> `[height, width, channels, multiplier]`
 */
export type AxisLayout = 'copy' | 'linear' | 'conv2d' | 'depthwise';

type Shape = readonly number[];

interface LayoutRule {
  /** Our shape of their tensor; undefined when theirs has the wrong number of axes for this layout. */
  readonly shape: (theirs: Shape, multiplier: number) => Shape | undefined;
  /** Their sizes as `[rows, groups, inner]`; the move is `[rows, groups, inner] -> [inner, groups, rows]`. Absent: no move. */
  readonly move?: (theirs: Shape) => readonly [rows: number, groups: number, inner: number];
}

const rules: Readonly<Record<AxisLayout, LayoutRule>> = {
  copy: { shape: (theirs) => theirs },
  linear: {
    shape: (theirs) => (theirs.length === 2 ? [theirs[1]!, theirs[0]!] : undefined),
    move: ([out, input]) => [out!, input!, 1],
  },
  conv2d: {
    shape: (theirs) => (theirs.length === 4 ? [theirs[2]!, theirs[3]!, theirs[1]!, theirs[0]!] : undefined),
    move: ([out, input, height, width]) => [out!, input!, height! * width!],
  },
  depthwise: {
    shape: depthwiseShape,
    move: ([channels, , height, width]) => [channels!, 1, height! * width!],
  },
};

function depthwiseShape(theirs: Shape, multiplier: number): Shape | undefined {
  const [channels, one, height, width] = theirs;
  if (theirs.length !== 4 || one !== 1 || channels! % multiplier !== 0) return undefined;
  return [height!, width!, channels! / multiplier, multiplier];
}

/**
 * The shape that a published tensor has once its axes are ours, from its shape alone.
 * @param multiplier - outputs per channel of a depthwise kernel, which its published shape does not tell. Default 1.
 * @returns undefined when the tensor does not have the axes that the layout speaks of.
 */
export const layoutShape = (theirs: Shape, layout: AxisLayout, multiplier = 1): Shape | undefined =>
  rules[layout].shape(theirs, multiplier);

/** Side of the square tiles that a transpose moves: two tiles of float32 fit the first-level cache. */
const tile = 32;

/**
 * `[rows, groups, inner] -> [inner, groups, rows]`, row-major, tile by tile. A walk along one axis alone would miss the cache
 * on every element of the other.
 */
function transpose(from: TensorValue['values'], to: TensorValue['values'], rows: number, groups: number, inner: number): void {
  const columns = groups * inner;
  for (let firstColumn = 0; firstColumn < columns; firstColumn += tile) {
    const lastColumn = Math.min(firstColumn + tile, columns);
    for (let firstRow = 0; firstRow < rows; firstRow += tile) {
      const lastRow = Math.min(firstRow + tile, rows);
      for (let column = firstColumn; column < lastColumn; column++) {
        const group = Math.floor(column / inner);
        const target = ((column - group * inner) * groups + group) * rows;
        for (let row = firstRow; row < lastRow; row++) to[target + row] = from[row * columns + column]!;
      }
    }
  }
}

/**
 * A published tensor with our axes. `copy` gives the value itself; the others give a new one.
 * @param multiplier - see {@link layoutShape}
 * @returns undefined when the tensor does not have the axes that the layout speaks of.
 */
export function applyLayout(value: TensorValue, layout: AxisLayout, multiplier = 1): TensorValue | undefined {
  const shape = layoutShape(value.shape, layout, multiplier);
  const sizes = rules[layout].move?.(value.shape);
  if (shape === undefined || sizes === undefined) return shape && value;
  const count = elementCount(value.shape);
  const values = value.values instanceof Float32Array ? new Float32Array(count) : new Int32Array(count);
  transpose(value.values, values, ...sizes);
  return { shape, values };
}

/**
 * A tensor with our axes as it is published: the way back from `applyLayout`, for the layouts of PyTorch that adapters have.
 * - `linear`: ours `[in, out]` -> `[out, in]`
 * - `conv2d`: ours `[height, width, in, out]` -> `[out, in, height, width]`
 */
export function publishLayout({ shape, values }: TensorValue, layout: 'linear' | 'conv2d'): TensorValue {
  const [height, width, input, out] = (layout === 'linear' ? [1, 1, ...shape] : shape) as [number, number, number, number];
  const turned = values instanceof Float32Array ? new Float32Array(values.length) : new Int32Array(values.length);
  transpose(values, turned, height * width, input, out);
  return { shape: layout === 'linear' ? [out, input] : [out, input, height, width], values: turned };
}
