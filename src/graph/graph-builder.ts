import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import { onnxTypeNumber } from './onnx-fields.js';
import type { OnnxAttribute, OnnxNode, OnnxTensor, OnnxType } from './onnx-model.js';
import { channelsFirstOrder, plainOrder, type KnownNumbers, type Layout, type Traced, type TracedType } from './traced.js';

/** A constant of a recording: numbers with what tells them apart. Numbers of shapes are `int64`, and may follow the batch. */
export interface RecordedConstant {
  readonly name: string;
  readonly type: OnnxType;
  readonly shape: readonly number[];
  readonly numbers: ArrayLike<number>;
  /** Data behind a captured tensor. */
  readonly identity?: object;
}

/** A mask of dropout that goes into the graph: one byte a value, 0 or 1. */
export interface MaskDraw {
  readonly name: string;
  readonly shape: readonly number[];
  /** Share of zeros. */
  readonly rate: number;
}

/** An attribute in short: a number is an int, a list is ints, a text a text. */
export type ShortAttribute = number | string | readonly number[] | { readonly float: number } | { readonly tensor: OnnxTensor };

function attributeOf(short: ShortAttribute): OnnxAttribute {
  if (typeof short === 'number') return { int: short };
  if (typeof short === 'string') return { text: short };
  return isList(short) ? { ints: short } : short;
}
const isList = (short: ShortAttribute): short is readonly number[] => Array.isArray(short);

/** What cannot be put into a graph: the function is then run as it is. */
export function notRecordable(what: string, details: Record<string, unknown> = {}, cause?: unknown): TransferKitError {
  return new TransferKitError('unsupported', `${what} cannot be recorded as a graph.`, { details, cause });
}

/** What cannot be one graph for all sizes of a batch, and may be one for each. */
export const sizeDependent = (what: string): TransferKitError => notRecordable(what, { sizeDependent: true });

/** Whether an error says that a function can be recorded for fixed sizes only. */
export const followsSizes = (error: unknown): boolean => TransferKitError.isInstance(error) && error.details['sizeDependent'] === true;

/** Collects the nodes and constants of one recording. */
export class GraphBuilder {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, RecordedConstant>();
  /** Masks that are drawn for each run, in the order in which their seeds are. */
  readonly draws: MaskDraw[] = [];
  #next = 0;
  readonly #knownNames = new WeakMap<object, Map<string, string>>();

  freshName(): string {
    return `v${this.#next++}`;
  }

  /** Appends a node with one output. @param inputs names; '' leaves an optional one out */
  node(operator: string, inputs: readonly string[], attributes: Readonly<Record<string, ShortAttribute>> = {}, domain?: string): string {
    return this.nodeWith(operator, inputs, 1, attributes, domain)[0]!;
  }

  /** Appends a node with several outputs. */
  nodeWith(
    operator: string,
    inputs: readonly string[],
    count: number,
    attributes: Readonly<Record<string, ShortAttribute>> = {},
    domain?: string,
  ): string[] {
    const outputs = Array.from({ length: count }, () => this.freshName());
    const settings = Object.fromEntries(Object.entries(attributes).map(([name, short]) => [name, attributeOf(short)]));
    this.nodes.push({ operator, inputs, outputs, attributes: settings, ...(domain === undefined ? {} : { domain }) });
    return outputs;
  }

  /** A constant. */
  constant(numbers: ArrayLike<number>, type: OnnxType, shape: readonly number[]): string {
    const name = this.freshName();
    this.constants.set(name, { name, type, shape, numbers });
    return name;
  }

  /** A constant whose numbers are read when somebody asks for them: of two recordings, one is written. */
  #knownConstant({ identity, read }: KnownNumbers, type: OnnxType, shape: readonly number[]): string {
    const name = this.freshName();
    let numbers: ArrayLike<number> | undefined;
    const constant = {
      name,
      type,
      shape,
      identity,
      get numbers(): ArrayLike<number> {
        return (numbers ??= read());
      },
    };
    this.constants.set(name, constant);
    return name;
  }

  /** Declares a mask that is drawn for each run. */
  draw(shape: readonly number[], rate: number): string {
    const name = `mask${this.draws.length}`;
    this.draws.push({ name, shape, rate });
    return name;
  }

  /** A list of whole numbers, as shapes, axes and positions are given. */
  integers(numbers: readonly number[]): string {
    return this.constant(numbers, 'int64', [numbers.length]);
  }

  scalar(number: number, type: TracedType = 'float32'): string {
    return this.constant([number], type, []);
  }

  /** What a kernel gives: a value by its name. */
  traced(name: string, shape: readonly number[], type: TracedType = 'float32', layout: Layout = 'plain'): Traced {
    return { shape, type, names: new Map([[layout, name]]) };
  }

  /** The same number everywhere: no array is made of it. */
  filled(fill: number, shape: readonly number[], type: TracedType = 'float32'): Traced {
    return { shape, type, names: new Map(), fill };
  }

  /** The name of a tensor's value with its axes in the given order; turned once where it is not there yet. */
  name(traced: Traced, layout: Layout = 'plain'): string {
    const known = traced.names.get(layout);
    if (known !== undefined) return known;
    const name = this.#make(traced, layout);
    traced.names.set(layout, name);
    return name;
  }

  #make(traced: Traced, layout: Layout): string {
    const { shape, type, fill } = traced;
    if (layout === 'channels-first' && shape.length !== 4) throw new Error('only tensors of four axes have channels');
    if (fill !== undefined) {
      const size = layout === 'plain' ? shape : channelsFirstOrder.map((axis) => shape[axis]!);
      return shape.length === 0 ? this.scalar(fill, type) : this.node('Expand', [this.scalar(fill, type), this.integers(size)]);
    }
    if (layout === 'plain' && traced.known !== undefined) return this.#knownName(traced);
    const from = this.name(traced, layout === 'plain' ? 'channels-first' : 'plain');
    return this.node('Transpose', [from], { perm: layout === 'plain' ? plainOrder : channelsFirstOrder });
  }

  /** One constant for all that have the same data and shape. */
  #knownName({ known, shape, type }: Traced): string {
    const byShape = this.#knownNames.get(known!.identity) ?? new Map<string, string>();
    this.#knownNames.set(known!.identity, byShape);
    const key = shape.join();
    const name = byShape.get(key) ?? this.#knownConstant(known!, type, shape);
    byShape.set(key, name);
    return name;
  }

  /** Axes in another order. */
  transpose(name: string, order: readonly number[]): string {
    return order.every((axis, index) => axis === index) ? name : this.node('Transpose', [name], { perm: order });
  }

  /** Another shape. A 0 is a size, not ONNX's sign for "as before". */
  reshape(name: string, shape: readonly number[]): string {
    return this.node('Reshape', [name, this.integers(shape)], shape.includes(0) ? { allowzero: 1 } : {});
  }

  /** Another element type. */
  cast(name: string, type: OnnxType): string {
    return this.node('Cast', [name], { to: onnxTypeNumber[type] });
  }
}

/** Entries of a shape. */
export const sizeOf = (shape: readonly number[]): number => tf.util.sizeFromShape([...shape]);
