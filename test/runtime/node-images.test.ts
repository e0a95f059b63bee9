import { existsSync, readdirSync, readFileSync } from 'node:fs';
import sharp, { type Sharp } from 'sharp';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defaultImageLimits } from '../../src/inputs/image-checks.js';
import { cmykToRgb } from '../../src/runtimes/node/cmyk-to-rgb.js';
import { createImageDecoder, decodeImage } from '../../src/runtimes/node/images.js';
import { expectError } from '../data/expect-error.js';

const width = 6;
const height = 4;
/** Every pixel another colour. */
const rgb = Uint8Array.from({ length: width * height * 3 }, (_, index) => (index * 47) % 256);
const picture = (): Sharp => sharp(rgb, { raw: { width, height, channels: 3 } });
const decode = (bytes: Uint8Array, limits = defaultImageLimits) => decodeImage(bytes, '"x.jpg"', limits);
const decoded = async (image: Sharp) => decode(await image.toBuffer());

describe('decodeImage', () => {
  it('reads lossless formats exactly', async () => {
    for (const image of [
      picture().png(),
      picture().webp({ lossless: true }),
      picture().tiff({ compression: 'lzw' }),
      picture().png({ palette: true }),
    ]) {
      expect(await decoded(image)).toMatchObject({ width, height, data: Buffer.from(rgb) });
    }
  });

  it('reads lossy formats nearly', async () => {
    const soft = sharp({ create: { width: 40, height: 30, channels: 3, background: { r: 200, g: 90, b: 30 } } });
    for (const image of [soft.clone().jpeg(), soft.clone().webp(), soft.clone().avif(), soft.clone().gif()]) {
      const result = await decoded(image);
      expect([result.width, result.height]).toEqual([40, 30]);
      [200, 90, 30].forEach((value, channel) => expect(Math.abs(result.data[channel]! - value)).toBeLessThan(4));
    }
  });

  it('repeats grey, leaves off alpha without blending, takes the high byte of 16 bits', async () => {
    const rgba = Uint8Array.from({ length: width * height * 4 }, (_, index) =>
      index % 4 === 3 ? (index * 5) % 256 : rgb[Math.floor(index / 4) * 3 + (index % 4)]!,
    );
    expect((await decoded(sharp(rgba, { raw: { width, height, channels: 4 } }).png())).data).toEqual(Buffer.from(rgb));
    const grey = Uint16Array.from({ length: width * height }, (_, index) => index * 2000);
    const high = [...grey].flatMap((value) => [value >> 8, value >> 8, value >> 8]);
    const png = sharp(grey, { raw: { width, height, channels: 1 } })
      .toColourspace('grey16')
      .png();
    expect([...(await decoded(png)).data]).toEqual(high);
    const deep = Uint16Array.from(rgb, (value) => value * 257);
    expect(
      (
        await decoded(
          sharp(deep, { raw: { width, height, channels: 3 } })
            .toColourspace('rgb16')
            .png(),
        )
      ).data,
    ).toEqual(Buffer.from(rgb));
    const eight = sharp(rgb.subarray(0, 24), { raw: { width, height, channels: 1 } })
      .toColourspace('b-w')
      .png();
    expect([...(await decoded(eight)).data.subarray(0, 6)]).toEqual([0, 0, 0, 47, 47, 47]);
  });

  it('reads CMYK the plain way', async () => {
    const flat = sharp({ create: { width: 8, height: 8, channels: 3, background: { r: 255, g: 0, b: 0 } } });
    const { data } = await decoded(flat.toColourspace('cmyk').tiff({ compression: 'lzw' }));
    expect(data.length).toBe(8 * 8 * 3);
    expect(data[0]! > 180 && data[1]! < 90 && data[2]! < 90).toBe(true);
    expect([...cmykToRgb(new Uint8Array([0, 0, 0, 0, 255, 0, 0, 0, 0, 128, 255, 0, 10, 20, 30, 255]), 4)]).toEqual([
      255, 255, 255, 0, 255, 255, 255, 127, 0, 0, 0, 0,
    ]);
  });

  it('takes the first frame of an animation', async () => {
    const frames = Buffer.concat([rgb, rgb.map((value) => 255 - value)]);
    const gif = sharp(frames, { raw: { width, height: height * 2, channels: 3, pageHeight: height } }).webp({ lossless: true, loop: 0 });
    expect(await decoded(gif)).toMatchObject({ width, height, data: Buffer.from(rgb) });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns a photo of orientation %i upright', async (orientation) => {
    const turned = await decoded(picture().withMetadata({ orientation }).png());
    expect([turned.width, turned.height]).toEqual(orientation < 5 ? [width, height] : [height, width]);
    // where the first pixel of the file goes: top left, top right, bottom right, bottom left, then the same for turned photos
    const corner = [0, 0, width - 1, width * height - 1, width * (height - 1), 0, height - 1, width * height - 1, height * (width - 1)][
      orientation
    ]!;
    expect([...turned.data.subarray(corner * 3, corner * 3 + 3)]).toEqual([...rgb.subarray(0, 3)]);
  });
});

describe('what is no picture', () => {
  const fromText = (text: string): Uint8Array => new TextEncoder().encode(text);

  it.each([
    ['just some words', 'text'], ['', 'empty'], ['<!doctype html><html>', 'HTML'], ['%PDF-1.7', 'PDF'], ['PK\x03\x04', 'a zip archive'], ['{"a": 1}', 'JSON'],
    ['<?xml version="1.0"?><a/>', 'XML'], ['version https://git-lfs.github.com/spec/v1', 'a Git LFS pointer'], ['\x00\x01\x02', 'unknown \\(first bytes 00 01 02\\)'],
  ])('is refused with what it looks like: %j', async (content, looks) => {
    await expectError(() => decode(fromText(content)), 'corrupt-file', '"x.jpg" is not a picture', new RegExp(`Received: ${looks}`));
  }); // prettier-ignore

  it.each([
    ['<svg xmlns="http://www.w3.org/2000/svg"/>', 'SVG'], ['<?xml version="1.0"?><!-- a --><svg/>', 'SVG'], ['BM\x01\x01\x01\x01\0\0\0\0', 'BMP'],
    ['\0\0\0\x18ftypheic', 'HEIC'], ['\0\0\x01\0', 'ICO'],
  ])('is named when the format is known and not decoded: %j', async (content, format) => {
    await expectError(() => decode(fromText(content)), 'unsupported', `is ${format}`, 'convert it');
  }); // prettier-ignore

  it('is damaged or cut off', async () => {
    const big = sharp({
      create: { width: 64, height: 64, channels: 3, background: 'red', noise: { type: 'gaussian', mean: 128, sigma: 60 } },
    });
    for (const image of [big.clone().jpeg(), big.clone().png(), big.clone().webp(), big.clone().gif(), big.clone().tiff()]) {
      const bytes = await image.toBuffer();
      await expectError(() => decode(bytes.subarray(0, bytes.length / 2)), 'corrupt-file', '"x.jpg" begins like', 'damaged or cut off');
    }
    await expectError(() => decode(new Uint8Array([0xff, 0xd8, 0xff, 0xe0])), 'corrupt-file', 'begins like JPEG');
  });

  it('never breaks the process, whatever the bytes', async () => {
    const whole = await Promise.all([
      picture().jpeg().toBuffer(),
      picture().png().toBuffer(),
      picture().webp().toBuffer(),
      picture().gif().toBuffer(),
      picture().tiff().toBuffer(),
    ]);
    const damage = fc.tuple(fc.constantFrom(...whole), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 }));
    await fc.assert(
      fc.asyncProperty(damage, async ([bytes, edits]) => {
        const broken = Uint8Array.from(bytes);
        for (const [place, value] of edits) broken[place % broken.length] = value;
        const result = await decode(broken, { maxBytes: 1e6, maxPixels: 1e6 }).catch((error: unknown) => error);
        if (!('data' in (result as object)))
          expect(['corrupt-file', 'too-large', 'unsupported']).toContain((result as { code: string }).code);
      }),
      { numRuns: 150 },
    );
  });
});

describe('caps', () => {
  it('hold before anything is decoded', async () => {
    const bytes = await picture().png().toBuffer();
    await expectError(
      () => decode(bytes, { maxBytes: 20, maxPixels: 1e9 }),
      'too-large',
      'maxBytes of 20',
      `limits: { maxBytes: ${bytes.length} }`,
    );
    await expectError(() => decode(bytes, { maxBytes: 1e9, maxPixels: 23 }), 'too-large', '6 x 4 = 24 pixels', 'limits: { maxPixels: 24 }');
    expect((await decode(bytes, { maxBytes: bytes.length, maxPixels: 24 })).width).toBe(width);
  });

  it('stop a decompression bomb by its header, and can be raised', async () => {
    const bomb = await sharp({ create: { width: 15000, height: 15000, channels: 3, background: 'black' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    const start = process.memoryUsage().rss;
    await expectError(() => decode(bomb), 'too-large', '15000 x 15000 = 225000000 pixels', 'maxPixels of 100000000');
    expect(process.memoryUsage().rss - start).toBeLessThan(100e6);
  });
});

describe('sharp', () => {
  it('is asked for by name when it is missing, and tried again', async () => {
    let tries = 0;
    const decoder = createImageDecoder(() => {
      tries++;
      return Promise.reject(new Error("Cannot find package 'sharp'"));
    });
    const bytes = await picture().png().toBuffer();
    await expectError(() => decoder(bytes, 'x', defaultImageLimits), 'missing-package', 'npm install sharp');
    await expectError(() => decoder(bytes, 'x', defaultImageLimits), 'missing-package', 'Cannot find package');
    expect(tries).toBe(2);
  });
});

const flowers = new URL('../../../shared/data/images/flowers/test/rose/', import.meta.url);
it.skipIf(!existsSync(flowers))('decodes real photos (skipped without the shared data)', async () => {
  for (const name of readdirSync(flowers).slice(0, 20)) {
    const photo = await decodeImage(readFileSync(new URL(name, flowers)), name, defaultImageLimits);
    expect(photo.data.length).toBe(photo.width * photo.height * 3);
    expect(Math.min(photo.width, photo.height)).toBe(160);
  }
});
