import { TransferKitError } from '../errors.js';
import type { ImageLimits } from '../runtimes/runtime.js';
import { sniffFormat } from './image-format.js';

/** Caps that hold unless the caller raises them: 64 MiB encoded, 100 million pixels (300 MB decoded). */
export const defaultImageLimits: ImageLimits = { maxBytes: 64 * 1024 ** 2, maxPixels: 100e6 };

const formats = 'JPEG, PNG, WebP, GIF, AVIF or TIFF';

function tooLarge(name: string, received: string, cap: keyof ImageLimits, limit: number, needed: number): TransferKitError {
  return new TransferKitError(
    'too-large',
    `${name} has ${received}, more than the cap ${cap} of ${limit}.\n  Fix: shrink the picture, or raise the cap with limits: { ${cap}: ${needed} }.`,
    { details: { name, cap, limit, received: needed } },
  );
}

/** The error for a picture that its decoder refuses. */
export function corruptImage(bytes: Uint8Array, name: string, cause: unknown): TransferKitError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const format = sniffFormat(bytes).name;
  return new TransferKitError(
    'corrupt-file',
    `${name} begins like ${format} and cannot be decoded; it is damaged or cut off.\n  Received: ${reason.trim()}\n  Fix: get the picture again, or leave it out.`,
    {
      details: { name, format },
      cause,
    },
  );
}

function refusedFormat(name: string, format: string, isPicture: boolean): TransferKitError {
  if (isPicture) {
    const message = `${name} is ${format}, which is not decoded.\n  Expected: ${formats}.\n  Fix: convert it, for example to PNG.`;
    return new TransferKitError('unsupported', message, { details: { name, format } });
  }
  return new TransferKitError('corrupt-file', `${name} is not a picture.\n  Expected: ${formats}\n  Received: ${format}.`, {
    details: { name, format },
  });
}

/**
 * Looks at the encoded bytes before any decoder does.
 * @throws TransferKitError `too-large` over `maxBytes`; `corrupt-file` when it is no picture, saying what it looks like;
 *   `unsupported` for a picture format that is not decoded (SVG, BMP, HEIC).
 */
export function checkImageBytes(bytes: Uint8Array, name: string, limits: ImageLimits): void {
  if (bytes.length > limits.maxBytes) throw tooLarge(name, `${bytes.length} bytes`, 'maxBytes', limits.maxBytes, bytes.length);
  const { name: format, isDecodable, isPicture } = sniffFormat(bytes);
  if (!isDecodable) throw refusedFormat(name, format, isPicture);
}

/** @throws TransferKitError `too-large` over `maxPixels`; `corrupt-file` when there are no pixels. */
export function checkImagePixels(width: number, height: number, name: string, limits: ImageLimits): void {
  const pixels = width * height;
  if (pixels > limits.maxPixels) throw tooLarge(name, `${width} x ${height} = ${pixels} pixels`, 'maxPixels', limits.maxPixels, pixels);
  if (pixels > 0) return;
  throw new TransferKitError('corrupt-file', `${name} says that it has ${width} x ${height} pixels.\n  Expected: at least one.`, {
    details: { name, width, height },
  });
}
