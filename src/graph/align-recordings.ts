import { sizeDependent, type RecordedConstant } from './graph-builder.js';
import type { OnnxNode } from './onnx-model.js';

/** A size that is free until the graph is run: a number times free sizes, `12 * batch * tokens`, or what one leaves, `512 - tokens`. */
export interface FreeSize {
  readonly offset: number;
  readonly factor: number;
  /** Names of free sizes, in their order. */
  readonly names: readonly string[];
}

/** A size: known, or free. */
export type Size = number | FreeSize;

/** A recording of a function for one choice of its free sizes. */
export interface SizedRecording {
  readonly nodes: readonly OnnxNode[];
  readonly constants: ReadonlyMap<string, RecordedConstant>;
  /** Names and shapes of what comes out. */
  readonly outputs: readonly { readonly name: string; readonly shape: readonly number[] }[];
}

/** Values that the free sizes had in two recordings. Ratios of their products are all different, so that each tells what it is. */
export type SizeSamples = Readonly<Record<string, readonly [number, number]>>;

/** Every product of free sizes, each of them once at most. */
function products(samples: SizeSamples): { names: string[]; values: readonly [number, number] }[] {
  let all: { names: string[]; values: readonly [number, number] }[] = [{ names: [], values: [1, 1] }];
  for (const [name, [one, other]] of Object.entries(samples))
    all = [...all, ...all.map(({ names, values }) => ({ names: [...names, name], values: [values[0] * one, values[1] * other] as const }))];
  return all;
}

/** What a number is that was one thing in the first recording and another in the second. */
export function freeSize(one: number, other: number, samples: SizeSamples): Size {
  if (one === other) return one;
  for (const { names, values } of products(samples)) {
    const factor = one / values[0];
    if (Number.isInteger(factor) && factor * values[1] === other) return { offset: 0, factor, names };
  }
  for (const { names, values } of products(samples))
    for (const factor of [-1, 1])
      if (one - factor * values[0] === other - factor * values[1]) return { offset: one - factor * values[0], factor, names };
  throw sizeDependent(`a size that is ${one} for one batch and ${other} for another`);
}

const same = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);

function sameNumbers(one: RecordedConstant, other: RecordedConstant): boolean {
  if (one.identity !== undefined && one.identity === other.identity) return true;
  if (one.numbers.length !== other.numbers.length) return false;
  for (let index = 0; index < one.numbers.length; index++) if (!Object.is(one.numbers[index], other.numbers[index])) return false;
  return true;
}

/** A constant that follows the free sizes: a list of sizes, or a single float that is a size or one by it. */
export type FreeConstant =
  { readonly kind: 'sizes'; readonly sizes: readonly Size[] } | { readonly kind: 'float' | 'reciprocal'; readonly size: Size };

/** Constants that follow the free sizes, by name. */
export type FreeConstants = ReadonlyMap<string, FreeConstant>;

const differs = (what: string): Error => sizeDependent(`a function whose ${what} changes with the size of the batch`);

/** The free size behind a float of a mean or of its gradient. */
function freeFloat(one: number, other: number, samples: SizeSamples): FreeConstant {
  if (Number.isInteger(one) && Number.isInteger(other)) return { kind: 'float', size: freeSize(one, other, samples) };
  const sizes = [Math.round(1 / one), Math.round(1 / other)] as const;
  if (Math.fround(1 / sizes[0]) !== Math.fround(one) || Math.fround(1 / sizes[1]) !== Math.fround(other)) throw differs(`number ${one}`);
  return { kind: 'reciprocal', size: freeSize(...sizes, samples) };
}

/** What a constant is that is not the same in both recordings. */
function freeConstant(one: RecordedConstant, other: RecordedConstant, samples: SizeSamples): FreeConstant {
  if (one.type !== other.type || !same(one.shape, other.shape)) throw differs(`constant [${one.shape.join(',')}]`);
  if (one.type === 'float32' && one.shape.length === 0) return freeFloat(one.numbers[0]!, other.numbers[0]!, samples);
  if (one.type !== 'int64') throw differs(`constant [${one.shape.join(',')}]`);
  return { kind: 'sizes', sizes: Array.from(one.numbers, (number, index) => freeSize(number, other.numbers[index]!, samples)) };
}

/**
 * Compares two recordings of one function and tells which numbers in them follow the free sizes. All else must be equal: a function
 * that does other things with another batch cannot be one graph.
 * @throws TransferKitError `unsupported`
 */
export function alignRecordings(one: SizedRecording, other: SizedRecording, samples: SizeSamples): FreeConstants {
  if (one.nodes.length !== other.nodes.length || one.constants.size !== other.constants.size) throw differs('list of operations');
  one.nodes.forEach((node, index) => {
    if (!same(node, other.nodes[index])) throw differs(`operation ${node.operator}`);
  });
  const free = new Map<string, FreeConstant>();
  for (const [name, constant] of one.constants) {
    const twin = other.constants.get(name);
    if (twin === undefined) throw differs('constants');
    if (constant.type === twin.type && same(constant.shape, twin.shape) && sameNumbers(constant, twin)) continue;
    free.set(name, freeConstant(constant, twin, samples));
  }
  return free;
}
