import { TransferKitError } from '../../errors.js';
import { checkImageBytes, checkImagePixels, corruptImage } from '../../inputs/image-checks.js';
import { sniffFormat } from '../../inputs/image-format.js';
import type { ImageLimits, RgbImage } from '../runtime.js';
import { imageSize } from './image-size.js';
import { storedPixels } from './stored-pixels.js';

/** Upright, with the colours as they are stored: as sharp and PIL read them, not as a screen shows them. */
const asStored: ImageBitmapOptions = { imageOrientation: 'from-image', colorSpaceConversion: 'none', premultiplyAlpha: 'none' };

const unsupported = (name: string, what: string): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `${name} cannot be decoded: ${what}.\n  Fix: convert it to JPEG, PNG or WebP, or use a newer browser.`,
    {
      details: { name },
    },
  );

/** RGBA bytes to RGB, the alpha left off. */
function withoutAlpha(rgba: Uint8ClampedArray, width: number, height: number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from]!;
    data[to + 1] = rgba[from + 1]!;
    data[to + 2] = rgba[from + 2]!;
  }
  return { width, height, data };
}

function isOpaque(rgba: Uint8ClampedArray): boolean {
  for (let index = 3; index < rgba.length; index += 4) if (rgba[index] !== 255) return false;
  return true;
}

function pixelsOf(bitmap: ImageBitmap, name: string): RgbImage {
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  if (context === null) throw unsupported(name, 'the browser gives no canvas of its size');
  context.drawImage(bitmap, 0, 0);
  const rgba = context.getImageData(0, 0, width, height).data;
  return withoutAlpha(isOpaque(rgba) ? rgba : (storedPixels(bitmap) ?? rgba), width, height);
}

/**
 * Decodes a picture with the browser's own decoder, the alpha left off. Colours under transparency are read through WebGL; where
 * there is none they are rounded, and black under full transparency.
 *
 * @throws TransferKitError `corrupt-file`, `too-large`, `unsupported` for a format that browsers do not decode
 */
export async function decodeImage(bytes: Uint8Array, name: string, limits: ImageLimits): Promise<RgbImage> {
  checkImageBytes(bytes, name, limits);
  const format = sniffFormat(bytes).name;
  if (format === 'TIFF') throw unsupported(name, 'browsers do not read TIFF');
  const size = imageSize(bytes, format);
  if (size !== undefined) checkImagePixels(size.width, size.height, name, limits);
  if (typeof createImageBitmap !== 'function' || typeof OffscreenCanvas !== 'function')
    throw unsupported(name, 'this browser lacks createImageBitmap or OffscreenCanvas');
  const bitmap = await createImageBitmap(new Blob([bytes as BlobPart]), asStored).catch((error: unknown) => {
    throw corruptImage(bytes, name, error);
  });
  try {
    checkImagePixels(bitmap.width, bitmap.height, name, limits); // for formats whose header is not read above
    return pixelsOf(bitmap, name);
  } finally {
    bitmap.close();
  }
}

/**
 * Encodes a picture as PNG with the browser's own encoder.
 *
 * @throws TransferKitError `unsupported` where there is no canvas off the page
 */
export async function encodeImage({ data, width, height }: RgbImage): Promise<Uint8Array> {
  const context = typeof OffscreenCanvas === 'function' ? new OffscreenCanvas(width, height).getContext('2d') : null;
  if (context === null)
    throw new TransferKitError(
      'unsupported',
      'a picture cannot be encoded: this browser gives no canvas off the page.\n  Fix: use a newer browser.',
    );
  const pixels = context.createImageData(width, height);
  for (let from = 0, to = 0; from < data.length; from += 3, to += 4)
    pixels.data.set([data[from]!, data[from + 1]!, data[from + 2]!, 255], to);
  context.putImageData(pixels, 0, 0);
  const blob = await context.canvas.convertToBlob({ type: 'image/png' });
  return new Uint8Array(await blob.arrayBuffer());
}
