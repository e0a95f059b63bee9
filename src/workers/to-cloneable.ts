import { TransferKitError } from '../errors.js';
import { fromTensor } from '../inputs/image-pixels.js';

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null;
const isPlain = (value: object): boolean => [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);

function cannotCross(value: unknown, what: string): TransferKitError {
  const received = isObject(value) ? `an object of the class ${value.constructor?.name ?? 'unknown'}` : `a ${typeof value}`;
  return new TransferKitError(
    'bad-option',
    `${what} cannot be sent to a worker.\n  Expected: text, numbers, bytes, pixels, tensors, Blobs, addresses, or lists and plain objects of them\n  Received: ${received}\n  Fix: pass one of these, or run it without workers.`,
    { details: { what } },
  );
}

/** Bytes of their own: a view of a large buffer, as Node's small Buffers are, would take all of it along. */
function ownBytes(view: ArrayBufferView): ArrayBufferView {
  const whole = view.byteLength === view.buffer.byteLength;
  if (whole || !(view instanceof Uint8Array || view instanceof Uint8ClampedArray)) return view;
  return view instanceof Uint8Array ? Uint8Array.from(view) : Uint8ClampedArray.from(view);
}

/**
 * A value as it can be sent to a worker, where it means the same: tensors become pixels and addresses text; what would be copied
 * anyway is given back as it is.
 *
 * @param what names the value in errors: `options`, `the input of "rose.jpg"`
 * @throws TransferKitError `bad-option` for a function or another value that cannot be copied; `bad-input` for a tensor that is
 *   no picture
 */
export function toCloneable(value: unknown, what: string): unknown {
  if (typeof value === 'function' || typeof value === 'symbol') throw cannotCross(value, what);
  if (!isObject(value)) return value;
  if (value instanceof URL) return value.href;
  if (ArrayBuffer.isView(value)) return ownBytes(value);
  if (value instanceof ArrayBuffer || value instanceof Blob || value instanceof Date) return value;
  if ('dataSync' in value && 'shape' in value) return fromTensor(value as Parameters<typeof fromTensor>[0]);
  if (Array.isArray(value)) return value.map((each, index) => toCloneable(each, `${what}, place ${index}`));
  const { width, height, data } = value as { width?: unknown; height?: unknown; data?: unknown };
  if (ArrayBuffer.isView(data)) return { width, height, data: ownBytes(data) }; // such as ImageData, whose members are inherited
  if (!isPlain(value)) throw cannotCross(value, what);
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, toCloneable(each, `${what}, member "${name}"`)]));
}
