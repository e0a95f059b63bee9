import type * as tf from '@tensorflow/tfjs-core';

/** Element types that recorded computations have. */
export type TracedType = 'float32' | 'int32' | 'bool';

/**
 * Order of a tensor's axes in the graph. tfjs keeps pictures as [batch, height, width, channels]; ONNX's convolutions take
 * [batch, channels, height, width]. A value is kept in the order it was made in, and turned only where somebody needs the other.
 */
export type Layout = 'plain' | 'channels-first';

/** Numbers that are known while recording, read when they are needed. */
export interface KnownNumbers {
  /** Row-major, in the plain order. */
  readonly read: () => ArrayLike<number>;
  /** What tells equal numbers apart quickly: the data behind a captured tensor. */
  readonly identity: object;
}

/** A tensor of the graph as a kernel sees it: tfjs's shape, and the names of the values that hold it. */
export interface Traced {
  readonly shape: readonly number[];
  readonly type: TracedType;
  /** Names by order of axes; at least one, or `known`, or `fill` is there. */
  readonly names: Map<Layout, string>;
  readonly known?: KnownNumbers;
  /** All entries are this number. */
  readonly fill?: number;
}

/** What a kernel is called with. */
export interface KernelCall {
  /** By tfjs's names. */
  readonly inputs: Readonly<Record<string, Traced>>;
  /** The same in their order, for kernels that take a list. */
  readonly list: readonly Traced[];
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** tfjs's element types that graphs have. */
export const isTracedType = (type: tf.DataType): type is TracedType => type === 'float32' || type === 'int32' || type === 'bool';

/** The order of plain axes in channels-first: `plain[channelsFirst[i]]` is axis i. */
export const channelsFirstOrder = [0, 3, 1, 2] as const;
/** The way back. */
export const plainOrder = [0, 2, 3, 1] as const;
