/**
 * The weight manifest of a tfjs model: groups of tensors, each group one stream of bytes that is cut into shards.
 * @source https://github.com/tensorflow/tfjs/blob/master/tfjs-core/src/io/types.ts
 */
import * as v from 'valibot';
import { TransferKitError } from '../errors.js';
import type { ByteFile } from './byte-file.js';
import { bytesPerElement, decodeNumbers } from './number-types.js';
import { elementCount, type StoredType, type TensorInfo, type TensorValue } from './tensor-value.js';

const size = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const quantizationSchema = v.object({ dtype: v.string(), scale: v.optional(v.number()), min: v.optional(v.number()) });
const weightSchema = v.object({ name: v.string(), shape: v.array(size), dtype: v.string(), quantization: v.optional(quantizationSchema) });
const manifestSchema = v.array(v.object({ paths: v.array(v.string()), weights: v.array(weightSchema) }));

type Weight = v.InferOutput<typeof weightSchema>;

/** One group of the manifest. */
export type WeightGroup = v.InferOutput<typeof manifestSchema>[number];

/** Where one tensor lies, and how its bytes become numbers. */
interface PackedTensor {
  readonly info: TensorInfo;
  readonly start: number;
  readonly end: number;
  readonly decode: (bytes: Uint8Array) => TensorValue['values'];
}

/** A tensor of a group, ready to be read. */
export interface LocatedTensor {
  readonly info: TensorInfo;
  read(): Promise<TensorValue>;
}

/**
 * The `weightsManifest` of a parsed `model.json`.
 * @throws TransferKitError `corrupt-file`
 */
export function parseManifest(value: unknown, origin: string): readonly WeightGroup[] {
  const parsed = v.safeParse(manifestSchema, value);
  if (parsed.success) return parsed.output;
  const issue = parsed.issues[0];
  throw corrupt(
    origin,
    '"weightsManifest" is broken',
    '[{ paths, weights: [{ name, shape, dtype }] }]',
    `${v.getDotPath(issue) ?? 'it'}: ${issue.message.slice(0, 200)}`,
  );
}

const corrupt = (origin: string, problem: string, expected: string, received: string): TransferKitError =>
  new TransferKitError(
    'corrupt-file',
    `"${origin}": ${problem}.\n  expected: ${expected}\n  received: ${received}\n  Fix: fetch or export the model again.`,
    {
      details: { file: origin, expected, received },
    },
  );

/** Types as tfjs names them, and as they are stored. */
const storedTypes: ReadonlyMap<string, StoredType> = new Map([
  ['float32', 'F32'],
  ['float16', 'F16'],
  ['int32', 'I32'],
  ['bool', 'BOOL'],
  ['uint8', 'U8'],
]);

/** Bytes of the integers that numbers may be quantised to. */
const quantizedBytes: ReadonlyMap<string, number> = new Map([
  ['uint8', 1],
  ['uint16', 2],
]);

/**
 * Finds the tensors of a group in its stream, which must hold exactly these.
 * @throws TransferKitError `corrupt-file`, `unsupported`
 */
export function locateTensors(group: WeightGroup, stream: ByteFile): ReadonlyMap<string, LocatedTensor> {
  const located = new Map<string, LocatedTensor>();
  let start = 0;
  for (const weight of group.weights) {
    const packed = packedTensor(weight, start, stream.origin);
    if (located.has(weight.name)) throw corrupt(stream.origin, 'two tensors have one name', 'each name once', `"${weight.name}" twice`);
    located.set(weight.name, { info: packed.info, read: () => readPacked(packed, weight.name, stream) });
    start = packed.end;
  }
  if (start !== stream.size)
    throw corrupt(
      stream.origin,
      'the shards do not fit the manifest',
      `${start} bytes in ${group.paths.length} files`,
      `${stream.size} bytes`,
    );
  return located;
}

function packedTensor({ name, shape, dtype, quantization }: Weight, start: number, origin: string): PackedTensor {
  const type = storedTypes.get(dtype);
  if (type === undefined) throw unsupportedType(name, dtype, origin);
  const packing = quantization === undefined ? plain(type) : quantized(name, type, quantization, origin);
  const count = elementCount(shape);
  const end = start + count * packing.bytes;
  if (!Number.isSafeInteger(end))
    throw corrupt(origin, `tensor "${name}" is too large`, 'a size that can be counted', `[${shape.join(',').slice(0, 200)}]`);
  return { info: { dtype: type, shape }, start, end, decode: packing.decode };
}

interface Packing {
  readonly bytes: number;
  readonly decode: PackedTensor['decode'];
}

const plain = (type: StoredType): Packing => ({ bytes: bytesPerElement[type], decode: (bytes) => decodeNumbers(bytes, type) });

/** Quantised numbers are `stored * scale + min`; integers are rounded. float16 is stored as it is. */
function quantized(
  name: string,
  type: StoredType,
  { dtype, scale = 1, min = 0 }: NonNullable<Weight['quantization']>,
  origin: string,
): Packing {
  if (dtype === 'float16' && type === 'F32') return plain('F16');
  const bytes = quantizedBytes.get(dtype);
  if (bytes === undefined || !['F32', 'I32'].includes(type)) throw unsupportedType(name, `${type} quantised to ${dtype}`, origin);
  const numbers = (stored: Uint8Array): ArrayLike<number> => (bytes === 1 ? stored : new Uint16Array(new Uint8Array(stored).buffer));
  if (type === 'I32') return { bytes, decode: (stored) => Int32Array.from(numbers(stored), (value) => Math.round(value * scale + min)) };
  return { bytes, decode: (stored) => Float32Array.from(numbers(stored), (value) => value * scale + min) };
}

const unsupportedType = (name: string, dtype: string, origin: string): TransferKitError =>
  new TransferKitError(
    'unsupported',
    `"${origin}": tensor "${name.slice(0, 200)}" holds ${dtype.slice(0, 100)}; this build reads ${[...storedTypes.keys()].join(', ')}, and float32 or int32 quantised to uint8, uint16 or float16.\n  Fix: export the model with one of these.`,
    {
      details: { file: origin, tensor: name, dtype },
    },
  );

async function readPacked({ info, start, end, decode }: PackedTensor, name: string, stream: ByteFile): Promise<TensorValue> {
  const bytes = await stream.read(start, end);
  if (bytes.byteLength !== end - start)
    throw corrupt(stream.origin, `the files end inside tensor "${name}"`, `${end - start} bytes`, `${bytes.byteLength} bytes`);
  return { shape: info.shape, values: decode(bytes) };
}
