import { TransferKitError } from '../errors.js';
import { bytesPerElement, encodeHalf } from './number-types.js';
import { lengthBytes, metadataName } from './safetensors.js';
import { elementCount, type StoredType, type TensorValue } from './tensor-value.js';

/** How floating values are stored. `F16` halves the file, keeps about 3 decimal digits, and ends at 65504. */
export type StoredFloats = 'F32' | 'F16';

/** A tensor to be stored: of the two number types that are computed with, or of whole numbers -128 to 127, a quarter as large. */
export type StorableTensor = TensorValue | { readonly shape: readonly number[]; readonly values: Int8Array };

interface Part {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/**
 * Tensors as the bytes of a safetensors file. Same tensors, same bytes: widest type first (which aligns every tensor), then by name.
 * @param metadata - free strings about the file.
 * @throws TransferKitError `bad-input` when a tensor's shape and values do not fit, or its name is reserved.
 * @example
 * ```ts
 * const bytes = writeSafetensors(new Map([['bias', { shape: [2], values: new Float32Array([1, 2]) }]]), { format: 'pt' });
 * ```
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, StorableTensor>,
  metadata: Readonly<Record<string, string>> = {},
  floats: StoredFloats = 'F32',
): Uint8Array {
  const parts = [...tensors].map(([name, value]) => toPart(name, value, floats));
  parts.sort((a, b) => bytesPerElement[b.dtype] - bytesPerElement[a.dtype] || (a.name < b.name ? -1 : 1));
  const header = new TextEncoder().encode(headerText(parts, metadata));
  // Spaces after the JSON bring the first tensor to a multiple of 8.
  const dataStart = Math.ceil((lengthBytes + header.length) / 8) * 8;
  const file = new Uint8Array(parts.reduce((size, part) => size + part.bytes.length, dataStart));
  file.fill(0x20, lengthBytes, dataStart);
  new DataView(file.buffer).setBigUint64(0, BigInt(dataStart - lengthBytes), true);
  file.set(header, lengthBytes);
  let offset = dataStart;
  for (const { bytes } of parts) {
    file.set(bytes, offset);
    offset += bytes.length;
  }
  return file;
}

function toPart(name: string, { shape, values }: StorableTensor, floats: StoredFloats): Part {
  if (name === metadataName || elementCount(shape) !== values.length) {
    throw new TransferKitError(
      'bad-input',
      `tensor ${JSON.stringify(name)} cannot be saved.\n  expected: ${elementCount(shape)} values for [${shape.join(',')}], and another name than ${metadataName}\n  received: ${values.length} values`,
      { details: { tensor: name, shape, received: values.length } },
    );
  }
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (!(values instanceof Float32Array)) return { name, dtype: values instanceof Int8Array ? 'I8' : 'I32', shape, bytes };
  return { name, dtype: floats, shape, bytes: floats === 'F16' ? encodeHalf(values) : bytes };
}

/** Built by hand, entry by entry, so that a tensor may be called `__proto__` and the order is ours. */
function headerText(parts: readonly Part[], metadata: Readonly<Record<string, string>>): string {
  let offset = 0;
  const lines = parts.map(({ name, dtype, shape, bytes }) => {
    const entry = { dtype, shape, data_offsets: [offset, (offset += bytes.length)] };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  const pairs = sorted.map(([name, text]) => `${JSON.stringify(name)}:${JSON.stringify(text)}`);
  if (pairs.length > 0) lines.unshift(`${JSON.stringify(metadataName)}:{${pairs.join(',')}}`);
  return `{${lines.join(',')}}`;
}
