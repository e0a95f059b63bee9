import type { PixelData, TensorLike } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { RgbImage } from '../runtimes/runtime.js';

function badPixels(what: string, expected: string, received: string): TransferKitError {
  return new TransferKitError('bad-input', `${what} cannot be used as a picture.\n  Expected: ${expected}\n  Received: ${received}`, {
    details: { received },
  });
}

/** Copies 1, 3 or 4 channels a pixel into RGB: grey is repeated, alpha is left off. `read` gives the byte at an index. */
function packRgb(width: number, height: number, channels: number, read: (index: number) => number): RgbImage {
  const data = new Uint8Array(width * height * 3);
  for (let pixel = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      data[pixel * 3 + channel] = read(pixel * channels + (channels === 1 ? 0 : channel));
    }
  }
  return { width, height, data };
}

/** @throws TransferKitError `bad-input` when the data does not fill width times height pixels of 1, 3 or 4 channels. */
export function fromPixelData({ width, height, data }: PixelData): RgbImage {
  const channels = data.length / (width * height);
  if (![1, 3, 4].includes(channels)) {
    throw badPixels('pixel data', 'width x height x 1, 3 or 4 bytes', `${width} x ${height} and ${data.length} bytes`);
  }
  return channels === 3 ? { width, height, data } : packRgb(width, height, channels, (index) => data[index]!);
}

/** Why values cannot be pixels of 0 to 255, if they cannot. */
function valueProblem(values: ArrayLike<number>): string | undefined {
  let largest = 0;
  let fractions = false;
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!;
    if (!(value >= 0 && value <= 255)) return `the value ${value}`;
    if (value > largest) largest = value;
    fractions ||= !Number.isInteger(value);
  }
  return fractions && largest <= 1 ? 'fractions from 0 to 1; multiply by 255' : undefined;
}

/**
 * A tensor as a picture; fractions are rounded to whole pixel values. The tensor stays the caller's.
 * @throws TransferKitError `bad-input` unless it is [height, width, 1, 3 or 4] with values of 0 to 255.
 */
export function fromTensor(tensor: TensorLike): RgbImage {
  const [height = 0, width = 0, channels = 0] = tensor.shape;
  if (tensor.shape.length !== 3 || ![1, 3, 4].includes(channels) || height * width === 0) {
    throw badPixels('a tensor', 'shape [height, width, 3]', `shape [${tensor.shape.join(', ')}]`);
  }
  const values = tensor.dataSync();
  const problem = valueProblem(values);
  if (problem !== undefined) throw badPixels('a tensor', 'values from 0 to 255', problem);
  return packRgb(width, height, channels, (index) => Math.round(values[index]!));
}
