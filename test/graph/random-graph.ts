import fc from 'fast-check';
import type { OnnxModel, OnnxNode, OnnxTensor } from '../../src/graph/onnx-model.js';
import { tensorOf } from '../../src/graph/tensor-bytes.js';

/** Examples that go in; a free size in the graph. A prime, so that it is told apart from the other sizes. */
export const batch = 5;

interface Value {
  readonly name: string;
  readonly shape: readonly number[];
}

const product = (shape: readonly number[]): number => shape.reduce((size, next) => size * next, 1);

/** Numbers that look random and are far from 0. */
export const spread = (length: number, salt: number): number[] =>
  Array.from({ length }, (_, index) => {
    const part = Math.sin((index + 1) * 12.9898 + salt * 78.233) * 43758.5453;
    const value = part - Math.floor(part) - 0.5;
    return Math.fround(value + 0.3 * Math.sign(value));
  });

/** Puts a graph of float32 values together, node by node. */
export class Sketch {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxTensor>();
  readonly inputs: Value[] = [];
  #next = 0;

  input(...shape: number[]): Value {
    const value = { name: `in${this.inputs.length}`, shape: [batch, ...shape] };
    this.inputs.push(value);
    return value;
  }
  constant(shape: readonly number[], numbers: readonly number[] = spread(product(shape), this.#next)): Value {
    return this.#constant(shape, numbers, 'float32');
  }
  integers(...numbers: number[]): Value {
    return this.#constant([numbers.length], numbers, 'int64');
  }
  node(operator: string, inputs: readonly Value[], shape: readonly number[], attributes: OnnxNode['attributes'] = {}): Value {
    const name = `n${this.#next++}`;
    this.nodes.push({ operator, inputs: inputs.map((input) => input.name), outputs: [name], attributes });
    return { name, shape };
  }
  /** Entry by entry, with operands that are widened to the first one's shape. */
  same(operator: string, first: Value, ...others: readonly (Value | number)[]): Value {
    const operands = others.map((other) => (typeof other === 'number' ? this.constant([], [other]) : other));
    return this.node(operator, [first, ...operands], first.shape);
  }
  /** Another shape; where it begins with a multiple of the batch the list is worked out in the graph. */
  reshape(value: Value, shape: readonly number[]): Value {
    const [first = 1, ...rest] = shape;
    if (first % batch !== 0) return this.node('Reshape', [value, this.integers(...shape)], shape);
    const size = this.node('Shape', [this.inputs[0]!], [1], { start: { int: 0 }, end: { int: 1 } });
    const whole = first === batch ? size : this.node('Mul', [size, this.integers(first / batch)], [1]);
    const list = this.node('Concat', [whole, ...rest.map((number) => this.integers(number))], [shape.length], { axis: { int: 0 } });
    return this.node('Reshape', [value, list], shape);
  }
  meanOfLast(value: Value): Value {
    return this.node('ReduceMean', [value, this.integers(value.shape.length - 1)], [...value.shape.slice(0, -1), 1], {
      keepdims: { int: 1 },
    });
  }
  /** The parts of layer normalisation, as our layer is recorded. */
  normalization(value: Value): { standard: Value; result: Value } {
    const width = [value.shape.at(-1)!];
    const centred = this.same('Sub', value, this.meanOfLast(value));
    const variance = this.meanOfLast(this.same('Mul', centred, centred));
    const inverse = this.same('Reciprocal', this.same('Sqrt', this.same('Add', variance, 0.1)));
    const standard = this.same('Mul', centred, inverse);
    return { standard, result: this.same('Add', this.same('Mul', standard, this.constant(width)), this.constant(width)) };
  }
  gelu(value: Value): { distribution: Value; result: Value } {
    const distribution = this.same('Mul', this.same('Add', this.same('Erf', this.same('Mul', value, Math.SQRT1_2)), 1), 0.5);
    return { distribution, result: this.same('Mul', value, distribution) };
  }
  tanhGelu(value: Value): Value {
    const cubed = this.same('Mul', this.same('Mul', this.same('Mul', value, value), value), 0.044715);
    const tangent = this.same('Tanh', this.same('Mul', this.same('Add', value, cubed), Math.sqrt(2 / Math.PI)));
    return this.same('Mul', this.same('Mul', value, 0.5), this.same('Add', tangent, 1));
  }
  model(outputs: readonly Value[]): OnnxModel {
    const free = (shape: readonly number[]): (number | string)[] =>
      shape.map((size, axis) => (axis === 0 && size === batch ? 'batch' : size));
    const all = [...new Map(outputs.map((value) => [value.name, value])).values()];
    return {
      name: 'sketch', nodes: this.nodes, constants: this.constants, operatorSets: { '': 20 }, metadata: {},
      inputs: this.inputs.map(({ name, shape }) => ({ name, type: 'float32', shape: free(shape) })),
      // a size that follows the batch is not told: the runtime would hold it against the number
      outputs: all.map(({ name, shape }) => ({ name, type: 'float32', shape: shape.map((size, axis) => (size % batch === 0 ? `${name}/${axis}` : size)) })),
    }; // prettier-ignore
  }
  #constant(shape: readonly number[], numbers: readonly number[], type: 'float32' | 'int64'): Value {
    const name = `c${this.#next++}`;
    this.constants.set(name, tensorOf({ type, shape, numbers }));
    return { name, shape };
  }
}

/** One thing that can be done to a value; `undefined` where it does not fit. */
type Step = (sketch: Sketch, value: Value, pool: readonly Value[], pick: number) => Value | undefined;

const width = (value: Value): number => value.shape.at(-1) ?? 1;
const shapes = [[batch, 12], [batch, 3, 4], [batch, 4, 3], [batch * 3, 4], [1, batch * 3, 4], [batch * 12], [batch, 2, 2, 3], [3, 4], [12], [2, 6]]; // prettier-ignore

const steps: readonly Step[] = [
  (sketch, value, pool, pick) => {
    const fitting = shapes.filter((shape) => product(shape) === product(value.shape));
    return fitting.length === 0 ? undefined : sketch.reshape(value, fitting[pick % fitting.length]!);
  },
  (sketch, value, pool, pick) => {
    const equal = pool.filter(({ shape }) => shape.join() === value.shape.join());
    return sketch.same(['Add', 'Sub', 'Mul', 'Max'][pick % 4]!, value, equal[pick % equal.length]!);
  },
  (sketch, value, _pool, pick) => sketch.same(['Add', 'Mul', 'Div', 'Sub'][pick % 4]!, value, sketch.constant([width(value)])),
  (sketch, value, _pool, pick) => sketch.same(['Mul', 'Add', 'Min'][pick % 3]!, value, [0.5, 1, -0.7][pick % 3]!),
  (sketch, value, _pool, pick) => sketch.same(['Relu', 'Tanh', 'Erf', 'Identity', 'Neg', 'Sigmoid'][pick % 6]!, value),
  (sketch, value) => sketch.same('Reciprocal', sketch.same('Sqrt', sketch.same('Add', sketch.same('Mul', value, value), 1))),
  (sketch, value, _pool, pick) => {
    const order = value.shape.map((_, axis) => axis);
    order.push(...order.splice(0, pick % Math.max(1, order.length)));
    if (pick % 2 === 1) order.reverse();
    return sketch.node('Transpose', [value], order.map((axis) => value.shape[axis]!), { perm: { ints: order } }); // prettier-ignore
  },
  (sketch, value, _pool, pick) => {
    if (value.shape.length < 2) return undefined;
    const sum = sketch.node('MatMul', [value, sketch.constant([width(value), 4])], [...value.shape.slice(0, -1), 4]);
    return pick % 2 === 0 ? sum : sketch.same('Mul', sketch.same('Add', sum, sketch.constant([4])), 0.25);
  },
  (sketch, value, _pool, pick) => {
    if (value.shape.length < 2) return undefined;
    const { standard, result } = sketch.normalization(sketch.same('Tanh', value));
    return pick % 3 === 0 ? standard : result;
  },
  (sketch, value, _pool, pick) =>
    pick % 3 === 0 ? sketch.tanhGelu(value) : sketch.gelu(value)[pick % 5 === 0 ? 'distribution' : 'result'],
  (sketch, value) => {
    if (value.shape.length === 0 || width(value) < 2) return undefined;
    const lists = [[-1], [-100], [-1], [-2]].map((list) => sketch.integers(...list));
    return sketch.node('Slice', [value, ...lists], [...value.shape.slice(0, -1), Math.ceil(width(value) / 2)]);
  },
  (sketch, value, pool, pick) => {
    const fitting = pool.filter(({ shape }) => shape.length > 0 && shape.slice(0, -1).join() === value.shape.slice(0, -1).join());
    const other = fitting[pick % Math.max(1, fitting.length)];
    return value.shape.length === 0 || other === undefined || width(value) + width(other) > 12
      ? undefined
      : sketch.node('Concat', [value, other], [...value.shape.slice(0, -1), width(value) + width(other)], { axis: { int: -1 } });
  },
  (sketch, value) => {
    const [, height, wide, channels] = value.shape;
    if (value.shape.length !== 4 || value.shape[0] !== batch) return undefined;
    const turned = sketch.node('Transpose', [value], [batch, channels!, height!, wide!], { perm: { ints: [0, 3, 1, 2] } });
    const sum = sketch.node('Conv', [turned, sketch.constant([2, channels!, 1, 1])], [batch, 2, height!, wide!], {
      kernel_shape: { ints: [1, 1] },
    });
    return sketch.same('Add', sum, sketch.reshape(sketch.constant([2]), [2, 1, 1]));
  },
];

/** A graph of operations that the passes look for, put together at random; what comes out is used within as well, here and there. */
export const anyGraph: fc.Arbitrary<OnnxModel> = fc
  .array(fc.record({ step: fc.nat(1000), on: fc.nat(1000), pick: fc.nat(1000) }), { minLength: 3, maxLength: 14 })
  .chain((plan) => fc.record({ plan: fc.constant(plan), extra: fc.nat(1000) }))
  .map(({ plan, extra }) => {
    const sketch = new Sketch();
    const pool: Value[] = [sketch.input(3, 4), sketch.input(12), sketch.constant([3, 4]), sketch.constant([12])];
    for (const { step, on, pick } of plan) {
      // late values are taken more often, so that chains come about
      const value = on % 2 === 0 ? pool.at(-1)! : pool[on % pool.length]!;
      const made = steps[step % steps.length]!(sketch, value, pool, pick);
      if (made !== undefined) pool.push(made);
    }
    const made = pool.slice(4);
    if (made.length === 0) made.push(sketch.same('Relu', pool[0]!));
    return sketch.model([made.at(-1)!, made[extra % made.length]!]);
  });
