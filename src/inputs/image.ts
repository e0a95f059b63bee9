import type { ImageInput, LimitedImage, PixelData, TensorLike } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { ImageLimits, RgbImage, Runtime } from '../runtimes/runtime.js';
import { defaultImageLimits } from './image-checks.js';
import { fetchImage, readImageFile } from './image-bytes.js';
import { fromPixelData, fromTensor } from './image-pixels.js';
import type { ImageCrop, ImageRecipe, ImageResize } from './image-recipe.js';
import { checkImageRecipe } from './check-image-recipe.js';
import type { EncodedInput, InputProcessor, ProcessorFactory } from './input.js';
import { resizeImage, type Region } from './resize.js';

export type { ImageCrop, ImageRecipe, ImageResize } from './image-recipe.js';
export { imageRecipeFromHuggingFace } from './image-recipe-hugging-face.js';
export { imageRecipeFromTimm, imageRecipeFromTorchvision } from './image-recipe-torch.js';

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isTensor = (value: object): value is TensorLike => 'shape' in value && 'dataSync' in value;
const isPixels = (value: object): value is PixelData =>
  'width' in value && 'height' in value && 'data' in value && ArrayBuffer.isView(value.data);
const isLimited = (value: object): value is LimitedImage => 'image' in value && 'limits' in value;

function describe(value: unknown): string {
  if (typeof value === 'number') return `number ${value}`;
  if (value === undefined) return 'nothing';
  if (!isObject(value)) return value === null ? 'null' : typeof value;
  const name = value.constructor.name;
  return name === 'Object' ? `{ ${Object.keys(value).slice(0, 8).join(', ')} }` : name;
}

function notAnImage(value: unknown): TransferKitError {
  return new TransferKitError(
    'bad-input',
    `this is not a picture.\n  Expected: a path, a file or web address, encoded bytes, a Blob, { width, height, data } or a tensor [height, width, 3]\n  Received: ${describe(value)}`,
  );
}

function fromBytes(bytes: Uint8Array, runtime: Runtime, limits: ImageLimits): Promise<RgbImage> {
  return runtime.decodeImage(bytes, `picture of ${bytes.length} bytes`, limits);
}

async function fromAddress(address: string, runtime: Runtime, limits: ImageLimits): Promise<RgbImage> {
  const isWeb = /^(https?|data|blob):/i.test(address);
  const bytes = await (isWeb ? fetchImage(address, limits) : readImageFile(address, runtime, limits));
  return runtime.decodeImage(bytes, isWeb ? address.slice(0, 200) : `"${address}"`, limits);
}

async function fromBlob(blob: Blob, runtime: Runtime, limits: ImageLimits): Promise<RgbImage> {
  const name = 'name' in blob ? `"${String(blob.name)}"` : `picture of ${blob.size} bytes`;
  const bytes = blob.size > limits.maxBytes ? undefined : new Uint8Array(await blob.arrayBuffer());
  if (bytes !== undefined) return runtime.decodeImage(bytes, name, limits);
  throw new TransferKitError(
    'too-large',
    `${name} has ${blob.size} bytes, more than the cap maxBytes of ${limits.maxBytes}.\n  Fix: raise it with limits: { maxBytes: ${blob.size} }.`,
    {
      details: { name, cap: 'maxBytes', limit: limits.maxBytes, received: blob.size },
    },
  );
}

/**
 * Any picture that a person may have, as 8-bit RGB, upright.
 * @throws TransferKitError `bad-input`, `corrupt-file`, `too-large`, `not-found`, `network`, `unsupported`, `missing-package`
 */
export async function readImage(raw: ImageInput, runtime: Runtime, limits: ImageLimits = defaultImageLimits): Promise<RgbImage> {
  if (typeof raw === 'string') return fromAddress(raw, runtime, limits);
  if (!isObject(raw)) throw notAnImage(raw);
  if (raw instanceof URL) return fromAddress(raw.href, runtime, limits);
  if (raw instanceof Uint8Array) return fromBytes(raw, runtime, limits);
  if (raw instanceof ArrayBuffer) return fromBytes(new Uint8Array(raw), runtime, limits);
  if (raw instanceof Blob) return fromBlob(raw, runtime, limits);
  if (isTensor(raw)) return fromTensor(raw);
  if (isPixels(raw)) return fromPixelData(raw);
  if (isLimited(raw)) return readImage(raw.image, runtime, { ...limits, ...raw.limits });
  throw notAnImage(raw);
}

/** Size after resizing, before the crop. */
function resizedSize(image: RgbImage, resize: ImageResize | null): { width: number; height: number } {
  if (resize === null) return { width: image.width, height: image.height };
  if (resize.mode === 'stretch') return { width: resize.width, height: resize.height };
  const [short, long] = image.width <= image.height ? [image.width, image.height] : [image.height, image.width];
  const longSide = Math.trunc((resize.size * long) / short);
  return image.width <= image.height ? { width: resize.size, height: longSide } : { width: longSide, height: resize.size };
}

/** To the nearest whole number, halves to the even one. */
const roundHalfEven = (value: number): number => (value % 1 === 0.5 ? Math.floor(value / 2 + 0.5) * 2 : Math.round(value));

/** Along one axis: which pixels are taken, and where they go in the result. */
function cropAxis(size: number, wanted: number, rounding: ImageCrop['rounding']): { from: number; count: number; to: number } {
  const spare = (size - wanted) / 2;
  if (size >= wanted) return { from: rounding === 'floor' ? Math.floor(spare) : roundHalfEven(spare), count: wanted, to: 0 };
  return { from: 0, count: size, to: rounding === 'floor' ? Math.ceil(-spare) : Math.floor(-spare) };
}

/** A picture of the recipe's size, or a smaller one and where its corner goes. */
interface Framed {
  readonly image: RgbImage;
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly left: number;
}

function frame(image: RgbImage, recipe: ImageRecipe): Framed {
  const size = resizedSize(image, recipe.resize);
  const { height, width, rounding } = recipe.crop ?? { ...size, rounding: 'floor' as const };
  const rows = cropAxis(size.height, height, rounding);
  const columns = cropAxis(size.width, width, rounding);
  const region: Region = { top: rows.from, left: columns.from, height: rows.count, width: columns.count };
  const { interpolation, antialias } = recipe.resize ?? { interpolation: 'nearest' as const, antialias: false };
  return { image: resizeImage(image, { ...size, interpolation, antialias, region }), height, width, top: rows.to, left: columns.to };
}

/** The number for each byte, for each channel: float32 [3][256]. */
function valueTables({ scale, mean, std }: ImageRecipe): Float32Array[] {
  return mean.map((average, channel) => Float32Array.from({ length: 256 }, (_, byte) => (byte * scale - average) / std[channel]!));
}

/** Bytes to numbers. Result: float32 [height, width, 3]; what the picture does not cover is black. */
function toNumbers({ image, height, width, top, left }: Framed, tables: readonly Float32Array[], reversed: boolean): Float32Array {
  const values = new Float32Array(height * width * 3);
  const [first, second, third] = tables as [Float32Array, Float32Array, Float32Array];
  const [red, blue] = reversed ? [2, 0] : [0, 2];
  if (image.height < height || image.width < width)
    for (let index = 0; index < values.length; index++) values[index] = tables[index % 3]![0]!;
  for (let row = 0; row < image.height; row++) {
    let from = row * image.width * 3;
    let to = ((top + row) * width + left) * 3;
    for (let column = 0; column < image.width; column++, from += 3, to += 3) {
      values[to] = first[image.data[from + red]!]!;
      values[to + 1] = second[image.data[from + 1]!]!;
      values[to + 2] = third[image.data[from + blue]!]!;
    }
  }
  return values;
}

/** Applies a recipe to a decoded picture: one float32 array [height, width, 3]. */
export function createImageEncoder(recipe: ImageRecipe): (image: RgbImage) => EncodedInput {
  const tables = valueTables(recipe);
  return (image) => {
    const framed = frame(image, recipe);
    const values = toNumbers(framed, tables, recipe.channelOrder === 'bgr');
    return { arrays: [{ shape: [framed.height, framed.width, 3], values }], length: 1 };
  };
}

/**
 * Makes the processor of pictures from its recipe.
 *
 * @throws TransferKitError `bad-config` when the recipe is not one.
 * @example
 * ```ts
 * import { imageProcessor, runtime, type ImageRecipe } from 'transferkit';
 *
 * const resize = { mode: 'stretch', height: 96, width: 96, interpolation: 'bilinear', antialias: true } as const;
 * const recipe: ImageRecipe = { kind: 'image', resize, crop: null, scale: 1 / 127.5, mean: [1, 1, 1], std: [1, 1, 1], channelOrder: 'rgb' };
 * const processor = await imageProcessor(recipe, { runtime, file: () => Promise.resolve(undefined) });
 * const { arrays } = await processor.encode('new.jpg'); // float32 [96, 96, 3], -1 to 1
 * ```
 */
export const imageProcessor: ProcessorFactory = (recipe, { runtime }) => {
  const checked = checkImageRecipe(recipe);
  const encode = createImageEncoder(checked);
  const limits: ImageLimits = { ...defaultImageLimits, ...checked.limits };
  const processor: InputProcessor = {
    recipe,
    padding: [0],
    files: new Map(),
    encode: async (raw) => encode(await readImage(raw as ImageInput, runtime, limits)),
  };
  return Promise.resolve(Object.freeze(processor));
};
