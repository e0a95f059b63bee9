import type { LimitedImage } from '../../data/dataset.js';
import type { Modality } from '../../inputs/input.js';
import type { Runtime } from '../../runtimes/runtime.js';

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

/** Anything that JSON can say: a text, a pair of texts, a list of either. */
const jsonBytes = (input: unknown): Promise<Uint8Array> => Promise.resolve(utf8(JSON.stringify(input) ?? ''));

/** The content of a file, or its address where that is no file: what is behind a web address is not fetched for this. */
async function fileBytes(location: string, runtime: Runtime): Promise<Uint8Array> {
  const file = /^(https?|data|blob):/i.test(location) ? undefined : await runtime.openFile(location);
  return file === undefined ? utf8(location) : file.read(0, file.size);
}

/** Numbers of an array of any type as bytes. */
function arrayBytes(values: ArrayLike<number>): Uint8Array {
  if (ArrayBuffer.isView(values)) return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return new Uint8Array(Float64Array.from(values).buffer);
}

/** Size in front of the numbers: the same numbers in another shape are another picture. */
function shapedBytes(shape: readonly number[], values: ArrayLike<number>): Uint8Array {
  const head = utf8(`${shape.join('x')}:`);
  const bytes = arrayBytes(values);
  const all = new Uint8Array(head.length + bytes.length);
  all.set(head);
  all.set(bytes, head.length);
  return all;
}

interface LooseImage extends Partial<LimitedImage> {
  readonly width?: number;
  readonly height?: number;
  readonly data?: ArrayLike<number>;
  readonly shape?: readonly number[];
  dataSync?(): ArrayLike<number>;
}

function objectBytes(image: LooseImage, runtime: Runtime): Promise<Uint8Array> {
  if (typeof image.dataSync === 'function') return Promise.resolve(shapedBytes(image.shape ?? [], image.dataSync()));
  if (image.data !== undefined) return Promise.resolve(shapedBytes([image.width ?? 0, image.height ?? 0], image.data));
  return image.image === undefined ? jsonBytes(image) : imageBytes(image.image, runtime);
}

async function imageBytes(input: unknown, runtime: Runtime): Promise<Uint8Array> {
  if (typeof input === 'string') return fileBytes(input, runtime);
  if (input instanceof URL) return fileBytes(input.href, runtime);
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  if (input instanceof Blob) return new Uint8Array(await input.arrayBuffer());
  if (ArrayBuffer.isView(input)) return arrayBytes(input as unknown as ArrayLike<number>);
  return typeof input === 'object' && input !== null ? objectBytes(input, runtime) : jsonBytes(input);
}

async function joined(parts: readonly unknown[], runtime: Runtime): Promise<Uint8Array> {
  const marks: string[] = [];
  for (const part of parts) marks.push(await runtime.sha256(await imageBytes(part, runtime)));
  return utf8(marks.join(' '));
}

const readers: Readonly<Record<Modality, (input: unknown, runtime: Runtime) => Promise<Uint8Array>>> = {
  text: jsonBytes,
  image: (input, runtime) => (Array.isArray(input) ? joined(input, runtime) : imageBytes(input, runtime)),
};

/** What an input consists of, as bytes that are equal when the inputs are: a photo's file, the letters of a text, pixels. */
export const inputBytes = (modality: Modality, input: unknown, runtime: Runtime): Promise<Uint8Array> => readers[modality](input, runtime);
