import fc from 'fast-check';
import { expect, test } from 'vitest';
import { applyLayout, layoutShape, publishLayout, type AxisLayout } from '../../src/weights/layouts.js';

/** The plain definition: our axis `i` is their axis `axes[i]`. */
function permute(values: Float32Array, shape: readonly number[], axes: readonly number[]): Float32Array {
  const ours = axes.map((axis) => shape[axis]!);
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, size) => product * size, 1));
  return Float32Array.from({ length: values.length }, (_, flat) => {
    let rest = flat;
    let offset = 0;
    for (let axis = ours.length - 1; axis >= 0; axis--) {
      offset += (rest % ours[axis]!) * strides[axes[axis]!]!;
      rest = Math.floor(rest / ours[axis]!);
    }
    return values[offset]!;
  });
}

const count = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
const size = fc.integer({ min: 1, max: 40 });
const small = fc.integer({ min: 1, max: 4 });

test.each<[AxisLayout, fc.Arbitrary<number[]>, number[]]>([
  ['linear', fc.tuple(size, size) as fc.Arbitrary<number[]>, [1, 0]],
  ['conv2d', fc.tuple(size, size, small, small) as fc.Arbitrary<number[]>, [2, 3, 1, 0]],
  ['depthwise', fc.tuple(size, fc.constant(1), small, small) as fc.Arbitrary<number[]>, [2, 3, 0, 1]],
])('%s is the permutation that it says', (layout, shapes, axes) => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const values = Float32Array.from({ length: count(shape) }, (_, index) => index);
      const ours = applyLayout({ shape, values }, layout)!;
      expect(ours.shape).toEqual(axes.map((axis) => shape[axis]));
      expect(ours.shape).toEqual(layoutShape(shape, layout));
      expect(ours.values).toEqual(permute(values, shape, axes));
    }),
    { numRuns: 50 },
  );
});

test('copy gives the value itself, integers stay integers', () => {
  const value = { shape: [2, 2], values: new Int32Array([1, 2, 3, 4]) };
  expect(applyLayout(value, 'copy')).toBe(value);
  expect(applyLayout(value, 'linear')).toEqual({ shape: [2, 2], values: new Int32Array([1, 3, 2, 4]) });
});

test('a depthwise kernel with several outputs per channel', () => {
  // Six outputs: channel 0 with its two, channel 1, channel 2; one pixel.
  const value = { shape: [6, 1, 1, 1], values: new Float32Array([0, 1, 10, 11, 20, 21]) };
  expect(applyLayout(value, 'depthwise', 2)).toEqual({ shape: [1, 1, 3, 2], values: value.values });
  expect(layoutShape([5, 1, 3, 3], 'depthwise', 2)).toBeUndefined();
});

test('a tensor without the axes of the layout has no shape in it', () => {
  expect(layoutShape([3], 'linear')).toBeUndefined();
  expect(layoutShape([3, 3], 'conv2d')).toBeUndefined();
  expect(layoutShape([3, 2, 3, 3], 'depthwise')).toBeUndefined();
  expect(applyLayout({ shape: [3], values: new Float32Array(3) }, 'conv2d')).toBeUndefined();
});

test.each<['linear' | 'conv2d', fc.Arbitrary<number[]>]>([
  ['linear', fc.tuple(size, size) as fc.Arbitrary<number[]>],
  ['conv2d', fc.tuple(size, size, small, small) as fc.Arbitrary<number[]>],
])('%s comes back as it was published', (layout, shapes) => {
  fc.assert(
    fc.property(shapes, (shape) => {
      const published = { shape, values: Float32Array.from({ length: count(shape) }, (_, index) => index) };
      expect(publishLayout(applyLayout(published, layout)!, layout)).toEqual(published);
    }),
    { numRuns: 50 },
  );
});
