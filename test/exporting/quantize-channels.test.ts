import fc from 'fast-check';
import { expect, test } from 'vitest';
import { quantizeChannels } from '../../src/exporting/quantize-channels.js';

const number = fc.float({ min: -1000, max: 1000, noNaN: true });

test('every number comes back within half a step of its channel, and 0 as 0', () => {
  fc.assert(
    fc.property(fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4)), fc.nat(2), fc.infiniteStream(number), (sizes, axis, stream) => {
      const shape = sizes.map((size) => size + 1);
      const values = Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => stream.next().value);
      const { codes, scales } = quantizeChannels(values, shape, axis);
      expect(scales).toHaveLength(shape[axis]!);
      const inner = shape.slice(axis + 1).reduce((a, b) => a * b, 1);
      values.forEach((value, index) => {
        const scale = scales[Math.floor(index / inner) % shape[axis]!]!;
        expect(Math.abs(codes[index]! * scale - value)).toBeLessThanOrEqual(0.5 * scale * (1 + 1e-5));
        if (value === 0) expect(codes[index]).toBe(0);
      });
    }),
  );
});

test('a channel of zeros stays zero, and large channels do not coarsen small ones', () => {
  const { codes, scales } = quantizeChannels(Float32Array.of(0, 0, 1000, -400, 0.001, 0.0005), [3, 2], 0);
  expect([...codes]).toEqual([0, 0, 127, -51, 127, 64]);
  expect(scales[0]).toBe(1);
  expect(scales[2]).toBeCloseTo(0.001 / 127, 9);
});
