import type { ImageInput, LimitedImage, PixelData, TensorLike } from '../data/dataset.js';
import { TransferKitError } from '../errors.js';
import type { ImageLimits, RgbImage, Runtime } from '../runtimes/runtime.js';
import { defaultImageLimits } from './image-checks.js';
import { fetchImage, readImageFile } from './image-bytes.js';
import { imageContent } from './image-content.js';
import { fromPixelData, fromTensor } from './image-pixels.js';
import type { ImageRecipe } from './image-recipe.js';
import { checkImageRecipe } from './check-image-recipe.js';
import { frameImage, type FramedImage } from './frame-image.js';
import type { AugmentedView, EncodedInput, InputProcessor, ProcessorFactory } from './input.js';

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

/** The number for each byte, for each channel: float32 [3][256]. */
function valueTables({ scale, mean, std }: ImageRecipe): Float32Array[] {
  return mean.map((average, channel) => Float32Array.from({ length: 256 }, (_, byte) => (byte * scale - average) / std[channel]!));
}

/** Bytes to numbers. Result: float32 [height, width, 3]; what the picture does not cover is black. */
function toNumbers({ image, height, width, top, left }: FramedImage, tables: readonly Float32Array[], reversed: boolean): Float32Array {
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

/** The bytes that `toNumbers` was given: 8-bit RGB. */
function toPixels({ arrays }: EncodedInput, { scale, mean, std, channelOrder }: ImageRecipe): RgbImage {
  const [array] = arrays;
  const [height = 0, width = 0] = array?.shape ?? [];
  const data = new Uint8ClampedArray(height * width * 3);
  const reversed = channelOrder === 'bgr';
  for (let index = 0; index < data.length; index++) {
    const channel = index % 3;
    data[reversed ? index + 2 - 2 * channel : index] = Math.round((array!.values[index]! * std[channel]! + mean[channel]!) / scale);
  }
  return { width, height, data };
}

/** Turns a framed picture into the numbers that a recipe wants: float32 [height, width, 3]. */
export function createNumbers(recipe: ImageRecipe): (framed: FramedImage) => Float32Array {
  const tables = valueTables(recipe);
  return (framed) => toNumbers(framed, tables, recipe.channelOrder === 'bgr');
}

/** Applies a recipe to a decoded picture: one float32 array [height, width, 3]. */
export function createImageEncoder(recipe: ImageRecipe): (image: RgbImage) => EncodedInput {
  const numbersOf = createNumbers(recipe);
  return (image) => {
    const framed = frameImage(image, recipe);
    return { arrays: [{ shape: [framed.height, framed.width, 3], values: numbersOf(framed) }], length: 1 };
  };
}

/** The same with a random change on the way; loaded with the first one. */
async function encodeView(recipe: ImageRecipe, image: RgbImage, view: AugmentedView): Promise<EncodedInput> {
  const { createViewEncoder } = await import('./augment/view-encoder.js');
  return createViewEncoder(recipe)(image, view);
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
    encode: async (raw, view) => {
      const image = await readImage(raw as ImageInput, runtime, limits);
      return view === undefined ? encode(image) : encodeView(checked, image, view);
    },
    content: (raw) => imageContent(raw as ImageInput, runtime, limits),
    show: (encoded) => toPixels(encoded, checked),
  };
  return Promise.resolve(Object.freeze(processor));
};
