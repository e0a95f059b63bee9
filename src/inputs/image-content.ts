import type { ImageInput, LimitedImage, PixelData, TensorLike } from '../data/dataset.js';
import type { ImageLimits, Runtime } from '../runtimes/runtime.js';
import { readImageFile } from './image-bytes.js';

/** Numbers with what gives them their meaning in front, so that pixels and tensors of other sizes differ. */
function labelled(label: string, numbers: ArrayBufferView): Uint8Array {
  const head = new TextEncoder().encode(`${label}\n`);
  const bytes = new Uint8Array(head.length + numbers.byteLength);
  bytes.set(head);
  bytes.set(new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength), head.length);
  return bytes;
}

/** A file is known by what is in it, whatever it is called; data: addresses are their own content; others would have to be fetched. */
async function contentOfAddress(address: string, runtime: Runtime, limits: ImageLimits): Promise<Uint8Array | undefined> {
  if (/^data:/i.test(address)) return new TextEncoder().encode(address);
  return /^(https?|blob):/i.test(address) ? undefined : readImageFile(address, runtime, limits);
}

async function contentOfObject(raw: object, runtime: Runtime, limits: ImageLimits): Promise<Uint8Array | undefined> {
  if ('dataSync' in raw) {
    const tensor = raw as TensorLike;
    return labelled(`tensor ${tensor.shape.join()}`, Float64Array.from(tensor.dataSync()));
  }
  if ('width' in raw && 'data' in raw) {
    const { width, height, data } = raw as PixelData;
    return labelled(`pixels ${width} ${height}`, data);
  }
  if (!('image' in raw)) return undefined;
  const limited = raw as LimitedImage;
  return imageContent(limited.image, runtime, { ...limits, ...limited.limits });
}

/**
 * Bytes that stand for a picture: those of the file, or the pixels. Undefined for a web address and for what is no picture.
 * @throws TransferKitError `not-found`, `too-large`, `storage`
 */
export async function imageContent(raw: ImageInput, runtime: Runtime, limits: ImageLimits): Promise<Uint8Array | undefined> {
  if (typeof raw === 'string') return contentOfAddress(raw, runtime, limits);
  if (raw instanceof URL) return contentOfAddress(raw.href, runtime, limits);
  if (raw instanceof Uint8Array) return raw;
  if (raw instanceof ArrayBuffer) return new Uint8Array(raw);
  if (raw instanceof Blob) return raw.size > limits.maxBytes ? undefined : new Uint8Array(await raw.arrayBuffer());
  return typeof raw === 'object' && raw !== null ? contentOfObject(raw, runtime, limits) : undefined;
}
