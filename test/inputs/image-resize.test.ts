import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { resizeImage, type Interpolation } from '../../src/inputs/resize.js';

interface Case {
  readonly before: [number, number];
  readonly after: [number, number];
  readonly interpolation: Interpolation;
  readonly sha256: string;
}

const { cases } = JSON.parse(readFileSync(new URL('./image-resize.json', import.meta.url), 'utf8')) as { cases: Case[] };

/** The same formula is in image-resize.py. */
function picture(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  let index = 0;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const marked = (Math.floor(x / 8) + Math.floor(y / 8)) % 3 === 0;
      for (let c = 0; c < 3; c++) data[index++] = marked ? 255 : (x * 37 + y * 91 + c * 17 + x * y * 5) % 256;
    }
  }
  return { width, height, data };
}

describe('resizeImage', () => {
  it.each(cases)('is bit-equal to Pillow: $before to $after, $interpolation', ({ before, after, interpolation, sha256 }) => {
    const resized = resizeImage(picture(...before), { width: after[0], height: after[1], interpolation, antialias: true });
    expect([resized.width, resized.height]).toEqual(after);
    expect(createHash('sha256').update(resized.data).digest('hex')).toBe(sha256);
  });

  const side = fc.integer({ min: 1, max: 40 });
  const filters = fc.constantFrom<Interpolation>('nearest', 'box', 'bilinear', 'hamming', 'bicubic', 'lanczos');

  it('computes a region as it would be cut out of the whole', () => {
    fc.assert(
      fc.property(
        side,
        side,
        side,
        side,
        filters,
        fc.boolean(),
        fc.double({ max: 1, min: 0, noNaN: true }),
        (w, h, width, height, interpolation, antialias, part) => {
          const source = picture(w, h);
          const whole = resizeImage(source, { width, height, interpolation, antialias });
          const region = {
            top: Math.floor((height - 1) * part),
            left: Math.floor((width - 1) * part),
            height: 1,
            width: Math.ceil(width * (1 - part)) || 1,
          };
          const cut = resizeImage(source, { width, height, interpolation, antialias, region });
          const start = (region.top * width + region.left) * 3;
          expect([...cut.data]).toEqual([...whole.data.slice(start, start + region.width * 3)]);
        },
      ),
    );
  });

  it('keeps a plain colour plain', () => {
    fc.assert(
      fc.property(side, side, side, side, filters, fc.integer({ min: 0, max: 255 }), (w, h, width, height, interpolation, value) => {
        const plain = { width: w, height: h, data: new Uint8Array(w * h * 3).fill(value) };
        const resized = resizeImage(plain, { width, height, interpolation, antialias: true });
        expect(resized.data.every((byte) => Math.abs(byte - value) <= 1)).toBe(true);
      }),
    );
  });

  it('without antialias looks at the nearest pixels only', () => {
    const data = new Uint8Array(8 * 3).map((_, index) => (Math.floor(index / 3) === 0 ? 255 : 0));
    const request = { width: 2, height: 1, interpolation: 'bilinear' } as const;
    const first = (antialias: boolean): number => resizeImage({ width: 8, height: 1, data }, { ...request, antialias }).data[0]!;
    expect([first(true), first(false)]).toEqual([Math.round((255 * 0.625) / 3.5), 0]); // the white pixel is 1.5 of 4 pixels off the middle
  });
});
