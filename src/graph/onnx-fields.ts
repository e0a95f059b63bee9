/**
 * The numbers that ONNX's protobuf schema gives to fields and element types, as far as they are written, read or followed here.
 * Everything else in a file is carried along as bytes.
 * @source onnx-ml.proto of ONNX 1.23
 */
import type { OnnxType } from './onnx-model.js';

export const modelField = {
  irVersion: 1,
  producerName: 2,
  producerVersion: 3,
  graph: 7,
  operatorSet: 8,
  metadata: 14,
} as const;

export const operatorSetField = { domain: 1, version: 2 } as const;
export const entryField = { key: 1, value: 2 } as const;

export const graphField = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  valueInfo: 13,
  quantization: 14,
  sparseInitializer: 15,
} as const;

export const nodeField = { input: 1, output: 2, name: 3, operator: 4, attribute: 5, domain: 7 } as const;

export const attributeField = {
  name: 1,
  float: 2,
  int: 3,
  text: 4,
  tensor: 5,
  graph: 6,
  floats: 7,
  ints: 8,
  tensors: 10,
  graphs: 11,
  type: 20,
  sparseTensor: 22,
  sparseTensors: 23,
} as const;

/** Values of an attribute's field `type`. */
export const attributeType = { float: 1, int: 2, text: 3, tensor: 4, floats: 6, ints: 7 } as const;

export const tensorField = {
  shape: 1,
  type: 2,
  floats: 4,
  int32s: 5,
  int64s: 7,
  name: 8,
  raw: 9,
  doubles: 10,
  uint64s: 11,
  external: 13,
  location: 14,
} as const;

/** The value of a tensor's field `location` that says: the numbers are in another file. */
export const externalLocation = 1;

export const sparseTensorField = { values: 1, indices: 2, shape: 3 } as const;
export const annotationField = { tensor: 1, parameters: 2 } as const;
export const valueField = { name: 1, type: 2 } as const;

/** Kinds of values. All but tensors are told by their kind alone. */
export const typeField = { tensor: 1, sequence: 4, map: 5, opaque: 7, sparseTensor: 8, optional: 9 } as const;

export const tensorTypeField = { element: 1, shape: 2 } as const;
export const shapeField = { size: 1 } as const;
export const sizeField = { value: 1, name: 2 } as const;

/** Element types that we compute with and write, by their number. */
export const onnxTypeNumber: Readonly<Record<OnnxType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

/** Names of all element types by number: those above, and those that are only read. */
export const elementTypeName: ReadonlyMap<number, string> = new Map([
  ...Object.entries(onnxTypeNumber).map(([name, number]) => [number, name] as const),
  [14, 'complex64'],
  [15, 'complex128'],
  [16, 'bfloat16'],
  [17, 'float8e4m3fn'],
  [18, 'float8e4m3fnuz'],
  [19, 'float8e5m2'],
  [20, 'float8e5m2fnuz'],
  [21, 'uint4'],
  [22, 'int4'],
  [23, 'float4e2m1'],
  [24, 'float8e8m0'],
  [25, 'uint2'],
  [26, 'int2'],
  [27, 'float6e2m3'],
  [28, 'float6e3m2'],
]);

/** Bytes of one element. Strings have no fixed size. */
export const onnxTypeBytes: Readonly<Record<Exclude<OnnxType, 'string'>, number>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
};

/** Most bytes of one protobuf message, and so of a file that keeps its weights inside. */
export const maxOnnxBytes = 2 ** 31 - 1;

/** For each version of the file format, the last version of ONNX's own operators that came with it. */
const lastOperatorSet: readonly (readonly [irVersion: number, operatorSet: number])[] = [
  [3, 8],
  [4, 9],
  [5, 10],
  [6, 11],
  [7, 14],
  [8, 18],
  [9, 20],
  [10, 22],
  [11, 23],
  [12, 24],
  [13, 27],
];

/** The oldest version of the file format that may hold a version of ONNX's own operators, so that old runtimes can read it. */
export function irVersionOf(operatorSet: number): number {
  return lastOperatorSet.find(([, last]) => operatorSet <= last)?.[0] ?? 14;
}
