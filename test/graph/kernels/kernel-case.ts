import type { Tensor } from '@tensorflow/tfjs-core';
import { createRandom, type Random } from '../../../src/common/random.js';

/** A size that is free in one of the recordings. */
export type FreeName = 'batch' | 'tokens';

/** A tensor that an operation takes. */
export interface Operand {
  readonly shape: readonly (number | FreeName)[];
  /** float32 by default. */
  readonly type?: 'float32' | 'int32' | 'bool';
  /** Bounds of its numbers; -2 to 2 by default. */
  readonly range?: readonly [low: number, high: number];
  /** Whether its numbers are whole, so that many are equal. */
  readonly whole?: boolean;
  /** How it may come: any way that its shape allows by default. */
  readonly ways?: readonly Way[];
}

/** How a tensor comes to an operation: from outside, as a constant, as one number everywhere, or out of a convolution. */
export type Way = 'input' | 'captured' | 'filled' | 'channels-first';

/** An operation with its settings, and what it takes. */
export interface Sample {
  readonly operands: readonly Operand[];
  compute(...tensors: Tensor[]): Tensor | Tensor[];
  /** Of layers that were made for it. */
  readonly weights?: readonly { dispose(): void }[];
  /** Shown where the test fails. */
  readonly settings?: unknown;
}

/** How an operation is tested. */
export interface KernelCase {
  /** tfjs's kernels that every sample uses. */
  readonly kernels: readonly string[];
  /** In the test's title, where several cases test one kernel. */
  readonly about?: string;
  sample(random: Random): Sample;
  /** Largest difference, as a share of the greatest number. 1e-5 by default. */
  readonly tolerance?: number;
  /** Numbers below this one are compared by their difference. 1e-3 by default. */
  readonly floor?: number;
  /** Why tfjs's wasm backend is left out: the cpu backend is right where they differ. */
  readonly cpuOnly?: string;
  /** Why free sizes are not recorded. */
  readonly fixedOnly?: string;
  /** Samples; 6 by default. */
  readonly count?: number;
}

export const pick = <T>(random: Random, list: readonly T[]): T => list[random.integer(list.length)]!;

/** A whole number from low to high, both included. */
export const between = (random: Random, low: number, high: number): number => low + random.integer(high - low + 1);

/** A shape of 0 to 5 axes. The first may be the batch, the second a text's length. */
export function anyShape(random: Random, low = 0, high = 5): (number | FreeName)[] {
  const shape: (number | FreeName)[] = Array.from({ length: between(random, low, high) }, () => between(random, 1, 4));
  if (shape.length > 0 && random.next() < 0.6) shape[0] = 'batch';
  if (shape.length > 2 && random.next() < 0.4) shape[1] = 'tokens';
  return shape;
}

/** A shape that broadcasts to another: some axes are 1, some leading ones are not there. */
export function narrower(random: Random, shape: readonly (number | FreeName)[]): (number | FreeName)[] {
  const start = random.next() < 0.4 ? random.integer(shape.length + 1) : 0;
  return shape.slice(start).map((size) => (random.next() < 0.3 ? 1 : size));
}

/** An axis, sometimes counted from the end. */
export const anyAxis = (random: Random, rank: number): number => between(random, random.next() < 0.3 ? -rank : 0, rank - 1);

/** Different axes in any order: at least one. */
export function someAxes(random: Random, rank: number): number[] {
  const order = [...random.permutation(rank)];
  return order.slice(0, between(random, 1, rank));
}

export const streamFor = (name: string): Random => createRandom(0).fork(name);
