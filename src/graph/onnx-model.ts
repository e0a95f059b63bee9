/**
 * An ONNX model as plain data: what the recorder makes, the optimiser rearranges and the writer puts into a file.
 *
 * Only what TransferKit writes is told here. A model of somebody else is read for its names and shapes and edited as bytes, so that
 * nothing in it gets lost.
 */

/** Element types of tensors, by the names of onnxruntime. */
export type OnnxType =
  'float32' | 'float16' | 'float64' | 'int8' | 'uint8' | 'int16' | 'uint16' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'bool' | 'string';

/** A tensor with its numbers. */
export interface OnnxTensor {
  readonly type: OnnxType;
  readonly shape: readonly number[];
  /** Little-endian, row-major; one byte per bool. */
  readonly bytes: Uint8Array;
}

/** Settings of a node. */
export type OnnxAttribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly ints: readonly number[] }
  | { readonly floats: readonly number[] }
  | { readonly tensor: OnnxTensor };

/** One operation. */
export interface OnnxNode {
  /** `Conv`, `MatMul`, ... */
  readonly operator: string;
  /** Empty for ONNX's own operators. */
  readonly domain?: string;
  /** Names of values; an empty one stands for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, OnnxAttribute>>;
}

/** A tensor that goes in or comes out. A size is a number, or a name where it is free. */
export interface OnnxValue {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly (number | string)[];
}

/** A whole model. */
export interface OnnxModel {
  readonly name: string;
  readonly nodes: readonly OnnxNode[];
  /** Constants by name. */
  readonly constants: ReadonlyMap<string, OnnxTensor>;
  readonly inputs: readonly OnnxValue[];
  readonly outputs: readonly OnnxValue[];
  /** Version of each set of operators that is used; ONNX's own is the empty name. */
  readonly operatorSets: Readonly<Record<string, number>>;
  readonly metadata: Readonly<Record<string, string>>;
}
