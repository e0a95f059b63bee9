import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { imageProcessor, readImage, type ImageRecipe } from '../../src/inputs/image.js';
import { openFile } from '../../src/runtimes/node/files.js';
import { decodeImage } from '../../src/runtimes/node/images.js';
import type { Runtime } from '../../src/runtimes/runtime.js';
import { expectError } from '../data/expect-error.js';

const runtime = { openFile, decodeImage } as unknown as Runtime;
const raw: ImageRecipe = { kind: 'image', resize: null, crop: null, scale: 1, mean: [0, 0, 0], std: [1, 1, 1], channelOrder: 'rgb' };

/** One red, one green pixel. */
const pixels = new Uint8Array([255, 0, 0, 0, 255, 0]);
const pixelValues = [...pixels];
let png: Uint8Array<ArrayBuffer>;
let folder = '';
let server: Server;
let address = '';

beforeAll(async () => {
  png = new Uint8Array(
    await sharp(pixels, { raw: { width: 2, height: 1, channels: 3 } })
      .png()
      .toBuffer(),
  );
  folder = await mkdtemp(join(tmpdir(), 'images-'));
  await writeFile(join(folder, 'a.png'), png);
  server = createServer((request, response) => {
    const status = Number(request.url?.slice(1)) || 200;
    if (request.url === '/cut') return void request.socket.destroy();
    response.writeHead(status, request.url === '/stream' ? {} : { 'content-length': status === 200 ? png.length : 0 });
    response.end(status === 200 ? png : undefined);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await rm(folder, { recursive: true });
});

const processor = (recipe: Partial<ImageRecipe> = {}) =>
  imageProcessor({ ...raw, ...recipe }, { runtime, file: () => Promise.resolve(undefined) });

async function encode(input: unknown, recipe: Partial<ImageRecipe> = {}) {
  const { arrays } = await (await processor(recipe)).encode(input);
  return { shape: arrays[0]!.shape, values: [...arrays[0]!.values] };
}

describe('every kind of input', () => {
  it('gives the same numbers', async () => {
    const path = join(folder, 'a.png');
    const rgba = { width: 2, height: 1, data: new Uint8ClampedArray([255, 0, 0, 9, 0, 255, 0, 9]) };
    const tensor = tf.tensor3d(pixelValues, [1, 2, 3], 'int32');
    const data = `data:image/png;base64,${Buffer.from(png).toString('base64')}`;
    const inputs = [
      path, pathToFileURL(path), pathToFileURL(path).href, png, Buffer.from(png), png.buffer.slice(png.byteOffset, png.byteOffset + png.length),
      new Blob([png]), rgba, { width: 2, height: 1, data: pixels }, tensor, `${address}/a.png`, new URL(`${address}/stream`), data,
      { image: path, limits: { maxPixels: 2 } },
    ]; // prettier-ignore
    for (const input of inputs) expect(await encode(input)).toEqual({ shape: [1, 2, 3], values: pixelValues });
    expect(tensor.isDisposed).toBe(false);
    tensor.dispose();
  });

  it('repeats grey and leaves off alpha', async () => {
    expect((await encode({ width: 2, height: 1, data: new Uint8Array([7, 9]) })).values).toEqual([7, 7, 7, 9, 9, 9]);
    const grey = tf.tensor3d([7.4, 9], [1, 2, 1]);
    const alpha = tf.tensor3d([1, 2, 3, 99], [1, 1, 4]);
    expect((await encode(grey)).values).toEqual([7, 7, 7, 9, 9, 9]);
    expect((await encode(alpha)).values).toEqual([1, 2, 3]);
    tf.dispose([grey, alpha]);
  });

  it('is refused with what was received when it is none', async () => {
    await expectError(() => encode(42), 'bad-input', 'not a picture', 'Received: number 42');
    await expectError(() => encode(null), 'bad-input', 'Received: null');
    await expectError(() => encode({ url: 'x' }), 'bad-input', 'Received: { url }');
    await expectError(() => encode(new Map()), 'bad-input', 'Received: Map');
    await expectError(() => encode({ width: 2, height: 2, data: pixels }), 'bad-input', '2 x 2 and 6 bytes');
    for (const [shape, values, message] of [
      [[2, 3], [1, 2, 3, 4, 5, 6], 'shape \\[2, 3\\]'],
      [[1, 1, 3], [0.1, 0.5, 1], 'multiply by 255'],
      [[1, 1, 3], [-1, 0, 1], 'the value -1'],
      [[1, 1, 3], [Number.NaN, 0, 1], 'the value NaN'],
    ] as const) {
      const tensor = tf.tensor([...values], [...shape]);
      await expectError(() => encode(tensor), 'bad-input', 'a tensor cannot be used', new RegExp(message));
      tensor.dispose();
    }
  });

  it('that is not there is named', async () => {
    await expectError(() => encode('nowhere.jpg'), 'not-found', 'no picture "nowhere.jpg"');
    await expectError(() => encode(`${address}/404`), 'not-found', 'answered 404');
    await expectError(() => encode(`${address}/403`), 'unauthorized', 'answered 403');
    expect((await expectError(() => encode(`${address}/503`), 'network', 'answered 503')).retryable).toBe(true);
    expect((await expectError(() => encode(`${address}/cut`), 'network', 'could not be fetched')).retryable).toBe(true);
  });

  it('that is too large is refused before it is read', async () => {
    const limits = { maxBytes: 10 };
    await expectError(() => encode(join(folder, 'a.png'), { limits }), 'too-large', 'maxBytes of 10', 'limits: {');
    await expectError(() => encode(png, { limits }), 'too-large', 'maxBytes of 10');
    await expectError(() => encode(new Blob([png]), { limits }), 'too-large', 'maxBytes of 10');
    await expectError(() => encode(`${address}/a`, { limits }), 'too-large', 'maxBytes of 10');
    await expectError(() => encode(`${address}/stream`, { limits }), 'too-large', 'maxBytes of 10');
    await expectError(() => encode(png, { limits: { maxPixels: 1 } }), 'too-large', '2 x 1 = 2 pixels', 'maxPixels: 2');
    await expectError(() => readImage({ image: png, limits: { maxPixels: 1 } }, runtime), 'too-large', 'maxPixels of 1');
  });
});

describe('the recipe', () => {
  it('scales, normalises and orders channels', async () => {
    const recipe = { scale: 1 / 255, mean: [0.5, 0.25, 0], std: [0.5, 1, 2], channelOrder: 'bgr' } as const;
    expect(
      (await encode({ width: 1, height: 1, data: new Uint8Array([255, 0, 51]) }, recipe)).values.map((value) => Math.fround(value)),
    ).toEqual([(0.2 - 0.5) / 0.5, -0.25, 0.5].map(Math.fround));
  });

  /** A row of pixels 1, 2, 3, ... high and wide as asked for; the crop tells which were taken. */
  const ramp = (size: number) => ({ width: size, height: 1, data: Uint8Array.from({ length: size }, (_, index) => index + 1) });
  const cropped = async (size: number, width: number, rounding: 'floor' | 'half-even') =>
    (await encode(ramp(size), { crop: { height: 1, width, rounding } })).values.filter((_, index) => index % 3 === 0);

  it('cuts the middle, odd pixels as each library does', async () => {
    expect(await cropped(5, 2, 'floor')).toEqual([2, 3]); // (5 - 2) / 2 = 1.5, down to 1
    expect(await cropped(5, 2, 'half-even')).toEqual([3, 4]); // 1.5, to the even 2
    expect(await cropped(3, 2, 'half-even')).toEqual([1, 2]); // 0.5, to the even 0
    expect(await cropped(7, 2, 'half-even')).toEqual([3, 4]); // 2.5, to the even 2
  });

  it('sets a smaller picture into the middle of black, which is normalised too', async () => {
    expect(await cropped(2, 5, 'floor')).toEqual([0, 0, 1, 2, 0]);
    expect(await cropped(2, 5, 'half-even')).toEqual([0, 1, 2, 0, 0]);
    const { values } = await encode(ramp(1), { crop: { height: 2, width: 1, rounding: 'floor' }, mean: [1, 2, 3] });
    expect(values).toEqual([-1, -2, -3, 0, -1, -2]);
  });

  it('cuts the fraction of the longer side off', async () => {
    const resize = { mode: 'shortest-edge', size: 10, interpolation: 'bilinear', antialias: true } as const;
    const image = (width: number, height: number) => ({ width, height, data: new Uint8Array(width * height) });
    expect((await encode(image(3, 5), { resize })).shape).toEqual([16, 10, 3]); // 16.67
    expect((await encode(image(5, 3), { resize })).shape).toEqual([10, 16, 3]);
    expect((await encode(image(5, 3), { resize: { ...resize, mode: 'stretch', height: 4, width: 6 } as never })).shape).toEqual([4, 6, 3]);
  });

  it.each([
    ['kind', 'text'], ['resize', { mode: 'fit' }], ['resize', { mode: 'shortest-edge', size: 0, interpolation: 'bilinear', antialias: true }],
    ['crop', { height: 1e6, width: 1, rounding: 'floor' }], ['crop', 3], ['scale', null], ['mean', [1, 2]], ['std', [1, 0, 1]], ['channelOrder', 'grb'],
    ['limits', { maxBites: 3 }],
  ])('is refused when "%s" is %j', async (field, value) => {
    await expectError(() => processor({ [field]: value }), 'bad-config', `wrong "${field}"`, 'Expected', 'Received');
  }); // prettier-ignore
});
