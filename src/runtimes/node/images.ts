import type { Metadata, OutputInfo, Sharp, SharpOptions } from 'sharp';
import { TransferKitError } from '../../errors.js';
import { checkImageBytes, checkImagePixels, corruptImage } from '../../inputs/image-checks.js';
import type { ImageLimits, RgbImage } from '../runtime.js';
import { cmykToRgb } from './cmyk-to-rgb.js';

type SharpFactory = (input: Uint8Array | Uint8ClampedArray, options: SharpOptions) => Sharp;
/** Gets sharp's function; tests pass their own. */
export type SharpLoader = () => Promise<SharpFactory>;

async function importSharp(): Promise<SharpFactory> {
  const { default: sharp } = await import('sharp');
  return sharp;
}

function missingSharp(error: unknown): TransferKitError {
  const message = 'decoding and encoding pictures in Node needs the package sharp, which cannot be imported.\n  Fix: npm install sharp';
  return new TransferKitError('missing-package', `${message}\n  ${error instanceof Error ? error.message : String(error)}`, {
    details: { package: 'sharp' },
    cause: error,
  });
}

/** First frame only; a damaged file is an error, a mere warning is not, as in PIL. The colour profile is left aside as PIL does. */
const openOptions = (limits: ImageLimits): SharpOptions => ({
  failOn: 'error',
  limitInputPixels: limits.maxPixels,
  pages: 1,
  page: 0,
  sequentialRead: true,
  ignoreIcc: true,
});

/** Runs a step of sharp; what it throws becomes a `corrupt-file` error that names the picture. */
async function attempt<T>(step: () => Promise<T>, bytes: Uint8Array, name: string): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw corruptImage(bytes, name, error);
  }
}

interface RawPixels {
  readonly data: Uint8Array;
  readonly info: OutputInfo;
}

/** CMYK is read as it is and converted by PIL's plain formula; everything else becomes 8-bit sRGB with the alpha left off. */
function rawPixels(image: Sharp, metadata: Metadata): Promise<RawPixels> {
  const upright = image.autoOrient();
  if (metadata.space === 'cmyk')
    return upright.pipelineColourspace('cmyk').toColourspace('cmyk').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
  return upright.removeAlpha().toColourspace('srgb').raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
}

/** Grey to RGB, CMYK to RGB; RGB as it is. */
function toRgb({ data, info }: RawPixels): RgbImage {
  const { width, height, channels } = info;
  if (channels === 3) return { width, height, data };
  if (channels >= 4) return { width, height, data: cmykToRgb(data, channels) };
  const rgb = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) rgb.fill(data[pixel * channels]!, pixel * 3, pixel * 3 + 3);
  return { width, height, data: rgb };
}

/** sharp, imported when it is first asked for. */
function lazySharp(load: SharpLoader): () => Promise<SharpFactory> {
  let loading: Promise<SharpFactory> | undefined;
  return () =>
    (loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw missingSharp(error);
    }));
}

/**
 * Makes the decoder of encoded pictures. sharp is imported at the first picture.
 * The size is checked from the header, before any pixel is decoded.
 */
export function createImageDecoder(load: SharpLoader = importSharp) {
  const getSharp = lazySharp(load);
  return async (bytes: Uint8Array, name: string, limits: ImageLimits): Promise<RgbImage> => {
    checkImageBytes(bytes, name, limits);
    const sharp = await getSharp();
    const metadata = await attempt(() => sharp(bytes, { limitInputPixels: false, pages: 1 }).metadata(), bytes, name);
    checkImagePixels(metadata.width, metadata.height, name, limits);
    return toRgb(await attempt(() => rawPixels(sharp(bytes, openOptions(limits)), metadata), bytes, name));
  };
}

export const decodeImage = createImageDecoder();

/** Makes the encoder of pictures: 8-bit RGB to PNG. */
export function createImageEncoder(load: SharpLoader = importSharp) {
  const getSharp = lazySharp(load);
  return async ({ data, width, height }: RgbImage): Promise<Uint8Array> => {
    const sharp = await getSharp();
    return new Uint8Array(await sharp(data, { raw: { width, height, channels: 3 } }).png().toBuffer()); // prettier-ignore
  };
}

export const encodeImage = createImageEncoder();
