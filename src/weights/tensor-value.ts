/** Number types a weight file may hold, by their safetensors names. */
export type StoredType = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** What a checkpoint says of a tensor before its bytes are read. */
export interface TensorInfo {
  readonly dtype: StoredType;
  /** Sizes from the outermost axis on; empty for a scalar. */
  readonly shape: readonly number[];
}

/** A tensor in memory: float32 for floating types, int32 for integers and booleans. Row-major. */
export interface TensorValue {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array;
}

/** Number of elements of a shape. */
export const elementCount = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);
