import type { RgbImage } from '../../src/index.js';
import { runtime } from '../../src/runtimes/web.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectFailure } from '../../src/testing/expect-no-leaks.js';

const limits = { maxBytes: 1e8, maxPixels: 1e8 };
const load = async (address: string): Promise<Uint8Array> => new Uint8Array(await (await fetch(address)).arrayBuffer());

export const loadPicture = (name: string): Promise<Uint8Array> => load(`/picture/${name}`);

async function decodedByNode(name: string): Promise<RgbImage> {
  const response = await fetch(`/decoded/${name}`);
  const [width, height] = response.headers.get('x-size')!.split(' ').map(Number);
  return { width: width!, height: height!, data: new Uint8Array(await response.arrayBuffer()) };
}

/** Largest and mean difference between the browser's pixels and Node's, of 255. */
async function difference(name: string): Promise<{ largest: number; mean: number }> {
  const [ours, theirs] = [await runtime.decodeImage(await loadPicture(name), name, limits), await decodedByNode(name)];
  check(
    ours.width === theirs.width && ours.height === theirs.height,
    `${name}: ${ours.width} x ${ours.height} here, ${theirs.width} x ${theirs.height} in Node`,
  );
  let [largest, total] = [0, 0];
  for (let index = 0; index < theirs.data.length; index++) {
    const distance = Math.abs(ours.data[index]! - theirs.data[index]!);
    largest = Math.max(largest, distance);
    total += distance;
  }
  return { largest, mean: total / theirs.data.length };
}

/** How far the browser's pixels may be from Node's. JPEG decoders may round and upsample colour differently; the rest is exact. */
const tolerances: readonly (readonly [name: string, largest: number, mean: number])[] = [
  ['rgb.png', 0, 0],
  ['grey.png', 0, 0],
  ['palette.png', 0, 0],
  ['1x1.png', 0, 0],
  ['grey16.png', 0, 0],
  ['alpha.png', 0, 0],
  ['rgb.jpg', 2, 0.1],
  ['grey.jpg', 2, 0.1],
  ['exif3.jpg', 2, 0.1],
  ['exif6.jpg', 2, 0.1],
  ['cmyk.jpg', 2, 0.1],
  ['large.jpg', 2, 0.1],
];

const sameAsNode = tolerances.map(([name, largest, mean]) => ({
  name: `${name} is decoded as in Node, within ${largest} of 255 (mean ${mean})`,
  run: async () => {
    const found = await difference(name);
    console.log(`${name}: largest difference ${found.largest}, mean ${found.mean.toFixed(4)}`);
    check(found.largest <= largest && found.mean <= mean, `largest ${found.largest}, mean ${found.mean.toFixed(4)}`);
  },
}));

export const pictureCases: readonly ConformanceCase[] = [
  ...sameAsNode,
  {
    name: 'a truncated picture, words and TIFF are refused by name',
    run: async () => {
      await expectFailure(async () => runtime.decodeImage(await loadPicture('text.jpg'), 'text.jpg', limits), 'corrupt-file', 'text.jpg');
      const tiff = Uint8Array.from([0x49, 0x49, 0x2a, 0, 8, 0, 0, 0]);
      await expectFailure(() => runtime.decodeImage(tiff, 'scan.tif', limits), 'unsupported', 'scan.tif', 'TIFF');
      const bytes = await loadPicture('truncated.jpg');
      await expectFailure(() => runtime.decodeImage(bytes, 'truncated.jpg', limits), 'corrupt-file', 'truncated.jpg');
    },
  },
];
