import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRandom } from '../../src/common/random.js';
import { drawCrop } from '../../src/inputs/augment/augment-image.js';
import { imageAugmentation, type ImageAugmentationOptions } from '../../src/inputs/augment/image-augmentation.js';
import { mirror, movePixels, rotation, shear, translation } from '../../src/inputs/augment/move-pixels.js';
import type { Picture } from '../../src/inputs/augment/picture.js';
import { applyPolicy, policyOperations } from '../../src/inputs/augment/random-policy.js';
import { drawRegion, middleRegion } from '../../src/inputs/augment/random-region.js';
import { textAugmentation } from '../../src/inputs/augment/text-augmentation.js';
import { viewRandom } from '../../src/inputs/augment/view-random.js';
import { createViewEncoder } from '../../src/inputs/augment/view-encoder.js';
import { createImageEncoder, imageProcessor, type ImageRecipe } from '../../src/inputs/image.js';
import { cutImage, resizeImage } from '../../src/inputs/resize.js';
import type { RgbImage, Runtime } from '../../src/runtimes/runtime.js';
import { expectError } from '../data/expect-error.js';

/** Every pixel says where it is. */
function picture(width: number, height: number): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) data.set([(x * 5) % 256, (y * 7) % 256, (x * y) % 256], (y * width + x) * 3);
  return { width, height, data };
}

const recipe = (changes: Partial<ImageRecipe> = {}): ImageRecipe => ({
  kind: 'image', resize: { mode: 'shortest-edge', size: 40, interpolation: 'bicubic', antialias: true },
  crop: { height: 32, width: 32, rounding: 'floor' }, scale: 1 / 255, mean: [0.41, 0.49, 0.61], std: [0.2, 0.3, 0.25], channelOrder: 'rgb', ...changes,
}); // prettier-ignore

const bytes: ImageRecipe = recipe({ scale: 1, mean: [0, 0, 0], std: [1, 1, 1] });

const encode = (image: RgbImage, options?: ImageAugmentationOptions | 'light' | 'strong', settings = bytes, view = 1) => {
  const augmentation = options === undefined ? undefined : imageAugmentation(options);
  if (augmentation === undefined) return createImageEncoder(settings)(image).arrays[0]!;
  return createViewEncoder(settings)(image, { augmentation, random: viewRandom(7, 'x', view) }).arrays[0]!;
};

const pixelsOf = ({ values }: { values: ArrayLike<number> }): number[] => Array.from(values);

describe('an augmented photo', () => {
  const photo = picture(70, 50);

  it('has the size of the recipe, and the same bytes for the same state', () => {
    for (const name of ['light', 'strong'] as const) {
      const [first, again, other] = [encode(photo, name), encode(photo, name), encode(photo, name, bytes, 2)];
      expect(first.shape).toEqual([32, 32, 3]);
      expect(first.values).toEqual(again.values);
      expect(first.values).not.toEqual(other.values);
    }
  });

  it('draws what it drew when this test was written', () => {
    const hash = createHash('sha256');
    for (let view = 1; view <= 40; view++) hash.update(Uint8Array.from(encode(photo, 'strong', bytes, view).values));
    expect(hash.digest('hex').slice(0, 16)).toBe('171ce4960e65da6a');
  });

  it('leaves the photo itself as it is, also where nothing is resized', () => {
    for (const settings of [bytes, recipe({ resize: null, crop: null })]) {
      for (let view = 1; view < 30; view++) encode(photo, 'strong', settings, view);
      expect(photo.data).toEqual(picture(70, 50).data);
    }
  });

  it('is the plain photo where nothing is asked for', () => {
    expect(encode(photo, {}).values).toEqual(encode(photo).values);
    expect(encode(photo, { flip: 0, rotate: 0, color: { brightness: 0, hue: 0 }, erase: { probability: 0 } }).values).toEqual(
      encode(photo).values,
    );
  });

  it('is a part of the photo, resized once and straight to its size', () => {
    const augmentation = imageAugmentation({ crop: { scale: [0.2, 0.6] } });
    const region = drawCrop(photo, augmentation, viewRandom(7, 'x', 1))!;
    const wanted = resizeImage(cutImage(photo, region), { height: 32, width: 32, interpolation: 'bicubic', antialias: true });
    expect(pixelsOf(encode(photo, augmentation))).toEqual([...wanted.data]);
    expect((region.width * region.height) / (70 * 50)).toBeLessThan(0.7);
  });

  it('keeps the size that the recipe gives for the whole photo where that follows the photo', () => {
    const crop = { crop: { scale: [0.2, 0.5] } } as const;
    const shapes = (settings: ImageRecipe) => [encode(photo, crop, settings).shape, encode(photo, undefined, settings).shape];
    expect(shapes(recipe({ crop: null }))).toEqual([[40, 56, 3], [40, 56, 3]]); // prettier-ignore
    expect(shapes(recipe({ crop: null, resize: null }))).toEqual([[50, 70, 3], [50, 70, 3]]); // prettier-ignore
    expect(shapes(recipe({ resize: null }))).toEqual([[32, 32, 3], [32, 32, 3]]); // prettier-ignore
  });

  it('changes only the picture and not the border of one that is smaller than its recipe', () => {
    const small = encode(
      { width: 4, height: 2, data: new Uint8Array(24).fill(200) },
      { color: { brightness: 1 } },
      { ...bytes, resize: null },
    );
    expect(small.shape).toEqual([32, 32, 3]);
    expect(small.values[0]).toBe(0);
    expect(small.values.filter((value) => value > 0)).toHaveLength(24);
  });

  it('takes photos of one pixel', () => {
    for (let view = 1; view < 50; view++) {
      const { values } = encode(
        { width: 1, height: 1, data: Uint8Array.of(9, 90, 200) },
        { ...imageAugmentation('strong'), rotate: 90 } as never,
        recipe(),
        view,
      );
      expect(values.every(Number.isFinite)).toBe(true);
    }
  });

  it('mirrors as often as it was told', () => {
    const plain = pixelsOf(encode(photo));
    const mirrored = Array.from({ length: 200 }, (_, view) => pixelsOf(encode(photo, { flip: 0.25 }, bytes, view))).filter(
      (values) => values.join() !== plain.join(),
    );
    expect(mirrored.length).toBeGreaterThan(30);
    expect(mirrored.length).toBeLessThan(70);
    const always = encode(photo, { flip: 1 }).values;
    for (let x = 0; x < 32; x++)
      expect(always.slice((5 * 32 + x) * 3, (5 * 32 + x) * 3 + 3)).toEqual(
        encode(photo).values.slice((5 * 32 + 31 - x) * 3, (5 * 32 + 31 - x) * 3 + 3),
      );
  });

  it('is blanked after the normalisation, to the mean', () => {
    const plain = encode(photo, undefined, recipe()).values;
    let total = 0;
    for (let view = 1; view <= 100; view++) {
      const { values } = encode(photo, { erase: { probability: 1, scale: [0.1, 0.3] } }, recipe(), view);
      const changed = Array.from(values.keys()).filter((index) => values[index] !== plain[index]);
      expect(changed.every((index) => values[index] === 0)).toBe(true);
      const columns = changed.map((index) => Math.floor(index / 3) % 32);
      const rows = changed.map((index) => Math.floor(index / 96));
      const area = (Math.max(...columns) - Math.min(...columns) + 1) * (Math.max(...rows) - Math.min(...rows) + 1);
      expect(changed.length).toBe(area * 3);
      total += area / 1024;
    }
    expect(total / 100).toBeGreaterThan(0.17);
    expect(total / 100).toBeLessThan(0.23);
  });

  it('is refused a change that is meant for texts, naming both', async () => {
    const processor = await imageProcessor(bytes, { runtime: {} as Runtime, file: () => Promise.resolve(undefined) });
    const view = { augmentation: textAugmentation(), random: createRandom(1) };
    await expectError(() => processor.encode(photo, view), 'bad-option', /takes photos[^]*kind "text"/);
    const broken = { augmentation: { kind: 'image', flip: 2 } as const, random: createRandom(1) };
    await expectError(() => processor.encode(photo, broken), 'bad-option', 'flip');
  });

  it('is shown as the bytes that the network was given, in both channel orders', async () => {
    for (const settings of [recipe(), recipe({ channelOrder: 'bgr' }), bytes]) {
      const processor = await imageProcessor(settings, { runtime: {} as Runtime, file: () => Promise.resolve(undefined) });
      const shown = processor.show!(await processor.encode(photo)) as RgbImage;
      expect([shown.width, shown.height]).toEqual([32, 32]);
      expect([...shown.data]).toEqual(pixelsOf(encode(photo)));
    }
  });
});

describe('drawn regions', () => {
  const side = fc.integer({ min: 1, max: 300 });

  it('lie inside the photo', () => {
    fc.assert(
      fc.property(side, side, fc.integer(), fc.double({ min: 0.01, max: 1, noNaN: true }), (width, height, seed, least) => {
        const region = drawCrop(
          { width, height, data: new Uint8Array() },
          imageAugmentation({ crop: { scale: [least, 1] } }),
          createRandom(seed),
        )!;
        expect(region.width).toBeGreaterThanOrEqual(1);
        expect(region.height).toBeGreaterThanOrEqual(1);
        expect(region.left >= 0 && region.top >= 0).toBe(true);
        expect(region.left + region.width).toBeLessThanOrEqual(width);
        expect(region.top + region.height).toBeLessThanOrEqual(height);
      }),
    );
  });

  it('have areas and ratios within their bounds, and reach every corner', () => {
    const bounds = { scale: [0.3, 0.6], ratio: [0.5, 2] } as const;
    const random = createRandom(5);
    const regions = Array.from({ length: 2000 }, () => drawRegion(400, 300, bounds, random)!).filter((region) => region !== undefined);
    const shares = regions.map(({ width, height }) => (width * height) / 120_000);
    expect(Math.min(...shares)).toBeGreaterThan(0.29);
    expect(Math.max(...shares)).toBeLessThan(0.61);
    const ratios = regions.map(({ width, height }) => width / height);
    expect(Math.min(...ratios)).toBeGreaterThan(0.49);
    expect(Math.max(...ratios)).toBeLessThan(2.02);
    expect(regions.some(({ left, top }) => left === 0 || top === 0)).toBe(true);
    expect(regions.some(({ left, width }) => left + width === 400)).toBe(true);
  });

  it('fall back to the middle where nothing fits', () => {
    const augmentation = imageAugmentation({ crop: { scale: [1, 1], ratio: [1, 1] } });
    expect(drawCrop({ width: 100, height: 20, data: new Uint8Array() }, augmentation, createRandom(1))).toEqual({
      top: 0,
      left: 40,
      width: 20,
      height: 20,
    });
    expect(middleRegion(20, 100, [0.5, 2])).toEqual({ top: 30, left: 0, width: 20, height: 40 });
  });
});

describe('moved pixels', () => {
  const source = picture(9, 7);
  const at = ({ data, width }: RgbImage, x: number, y: number): number[] => [...data.slice((y * width + x) * 3, (y * width + x) * 3 + 3)];

  it('stay where nothing moves', () => {
    for (const map of [rotation(0), shear(0, 0), translation(0, 0)]) expect(movePixels(source, map).data).toEqual(source.data);
  });

  it('move by whole pixels without a change, and mirror at the edge', () => {
    const moved = movePixels(source, translation(2, -1));
    expect(at(moved, 5, 3)).toEqual(at(source, 3, 4));
    expect(at(moved, 1, 3)).toEqual(at(source, 1, 4)); // x = -1 is 1
    expect(at(moved, 5, 6)).toEqual(at(source, 3, 5)); // y = 7 is 5
  });

  it('turn counter-clockwise around the middle', () => {
    const turned = movePixels(source, rotation(180));
    for (let x = 0; x < 9; x++) expect(at(turned, x, 2)).toEqual(at(source, 8 - x, 4));
    const square = picture(5, 5);
    const quarter = movePixels(square, rotation(90));
    expect(at(quarter, 0, 0)).toEqual(at(square, 4, 0)); // what was at the right top is at the left top
    expect(at(quarter, 0, 4)).toEqual(at(square, 0, 0));
  });

  it('lean by rows or by columns', () => {
    const leant = movePixels(source, shear(1, 0));
    expect(at(leant, 4, 3)).toEqual(at(source, 4, 3));
    expect(at(leant, 3, 4)).toEqual(at(source, 4, 4));
    expect(at(movePixels(source, shear(0, 1)), 5, 3)).toEqual(at(source, 5, 4));
  });

  it('mirror twice to what they were', () => {
    const twice = picture(8, 3);
    mirror(twice);
    expect(at(twice, 0, 1)).toEqual(at(picture(8, 3), 7, 1));
    mirror(twice);
    expect(twice.data).toEqual(picture(8, 3).data);
  });
});

describe('the policy', () => {
  it('holds the operations of RandAugment', () => {
    expect(Object.keys(policyOperations)).toHaveLength(14);
  });

  it('changes nothing at strength 0, but for contrast and equalising', () => {
    for (const [name, operation] of Object.entries(policyOperations)) {
      const changed = operation(picture(20, 15), 0, 1);
      const same = changed.data.every((byte, index) => byte === picture(20, 15).data[index]);
      // A threshold of 255 inverts 255 alone.
      if (!['autocontrast', 'equalize', 'solarize'].includes(name)) expect(same, name).toBe(true);
    }
  });

  it('has the ends of torchvision at strength 1', () => {
    const grey = (): Picture => ({ width: 2, height: 1, data: new Uint8Array(6).fill(100) });
    expect(policyOperations['brightness']!(grey(), 1, 1).data[0]).toBe(190);
    expect(policyOperations['brightness']!(grey(), 1, -1).data[0]).toBe(9); // 0.1 of 100 as a float is just below 10
    expect(policyOperations['posterize']!(grey(), 1, 1).data[0]).toBe(96);
    expect(policyOperations['solarize']!(grey(), 1, 1).data[0]).toBe(155);
    const moved = policyOperations['translateX']!(picture(331, 1), 1, 1);
    expect(moved.data.slice(150 * 3, 153 * 3)).toEqual(picture(331, 1).data.slice(0, 9));
  });

  it('draws every operation, both ways', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 300; seed++) {
      const { data } = applyPolicy(picture(24, 18), { operations: 1, magnitude: 9 }, createRandom(seed));
      seen.add(createHash('sha1').update(data).digest('hex'));
    }
    // Identity, posterise, solarise, autocontrast and equalise have no direction; nine have two.
    expect(seen.size).toBe(5 + 2 * 9);
  });
});
