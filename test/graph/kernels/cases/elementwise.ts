import * as tf from '@tensorflow/tfjs-core';
import { anyShape, between, narrower, pick, type KernelCase, type Operand, type Sample } from '../kernel-case.js';

type Unary = (x: tf.Tensor) => tf.Tensor;
type Bounds = Pick<Operand, 'range' | 'whole'>;

const unary = (kernel: string, compute: Unary, bounds: Bounds = {}, type: Operand['type'] = 'float32'): KernelCase => ({
  kernels: [kernel],
  ...(type === 'float32' ? {} : { about: type }),
  sample: (random) => ({ operands: [{ shape: anyShape(random), type, ...bounds }], compute }),
});

const positive: Bounds = { range: [0.1, 3] };
const unit: Bounds = { range: [-0.95, 0.95] };
const wide: Bounds = { range: [-9, 9] };
const halves = (x: tf.Tensor): tf.Tensor => tf.div(x, 2);

const unaryCases: readonly KernelCase[] = [
  unary('Abs', (x) => tf.abs(x)),
  unary('Abs', (x) => tf.abs(x), wide, 'int32'),
  unary('Acos', (x) => tf.acos(x), unit),
  unary('Acosh', (x) => tf.acosh(x), { range: [1.1, 4] }),
  unary('Asin', (x) => tf.asin(x), unit),
  unary('Asinh', (x) => tf.asinh(x)),
  unary('Atan', (x) => tf.atan(x)),
  unary('Atanh', (x) => tf.atanh(x), unit),
  unary('Ceil', (x) => tf.ceil(halves(x)), { ...wide, whole: true }),
  unary('ClipByValue', (x) => tf.clipByValue(x, -0.5, 0.75)),
  { ...unary('ClipByValue', (x) => tf.clipByValue(x, -2, 3), wide, 'int32'), cpuOnly: 'wasm takes whole numbers for others' },
  unary('Cos', (x) => tf.cos(x)),
  unary('Cosh', (x) => tf.cosh(x)),
  unary('Elu', (x) => tf.elu(x)),
  unary('Erf', (x) => tf.erf(x)),
  unary('Exp', (x) => tf.exp(x)),
  { ...unary('Expm1', (x) => tf.expm1(x), { range: [-1e-3, 1e-3] }), about: 'near 0' },
  unary('Expm1', (x) => tf.expm1(x), wide),
  unary('Floor', (x) => tf.floor(halves(x)), { ...wide, whole: true }),
  unary('Identity', (x) => tf.clone(x)),
  unary('IsFinite', (x) => tf.isFinite(tf.log(x)), { range: [-2, 2], whole: true }),
  unary('IsInf', (x) => tf.isInf(tf.log(x)), { range: [-2, 2], whole: true }),
  unary('IsNan', (x) => tf.isNaN(tf.log(x)), { range: [-2, 2], whole: true }),
  unary('LeakyRelu', (x) => tf.leakyRelu(x, 0.3)),
  unary('Log', (x) => tf.log(x), positive),
  { ...unary('Log1p', (x) => tf.log1p(x), { range: [-1e-3, 1e-3] }), about: 'near 0', cpuOnly: 'wasm loses digits' },
  unary('Log1p', (x) => tf.log1p(x), { range: [-0.9, 9] }),
  unary('LogicalNot', (x) => tf.logicalNot(x), {}, 'bool'),
  unary('Neg', (x) => tf.neg(x)),
  unary('Neg', (x) => tf.neg(x), wide, 'int32'),
  unary('Reciprocal', (x) => tf.reciprocal(x), positive),
  unary('Relu', (x) => tf.relu(x)),
  unary('Relu6', (x) => tf.relu6(x), wide),
  unary('Round', (x) => tf.round(halves(x)), { ...wide, whole: true }),
  unary('Rsqrt', (x) => tf.rsqrt(x), positive),
  unary('Selu', (x) => tf.selu(x)),
  { ...unary('Sigmoid', (x) => tf.sigmoid(x), wide), floor: 1 },
  unary('Sign', (x) => tf.sign(x), { range: [-2, 2], whole: true }),
  unary('Sin', (x) => tf.sin(x)),
  unary('Sinh', (x) => tf.sinh(x)),
  unary('Softplus', (x) => tf.softplus(x), { range: [-30, 30] }),
  unary('Sqrt', (x) => tf.sqrt(x), positive),
  unary('Square', (x) => tf.square(x)),
  unary('Square', (x) => tf.square(x), wide, 'int32'),
  unary('Step', (x) => tf.step(x), { range: [-2, 2], whole: true }),
  { ...unary('Step', (x) => tf.step(x, 0.2)), about: 'with a slope' },
  unary('Tan', (x) => tf.tan(x), unit),
  unary('Tanh', (x) => tf.tanh(x), wide),
  ...(['float32', 'int32', 'bool'] as const).map((type): KernelCase => ({
    ...unary('Cast', (x) => x, wide, type),
    about: `from ${type}`,
    cpuOnly: 'wasm keeps numbers above 1 as truths',
    sample(random) {
      const to = pick(random, ['float32', 'int32', 'bool'] as const);
      const compute = (x: tf.Tensor): tf.Tensor => tf.cast(x, to);
      return { operands: [{ shape: anyShape(random), type, range: [-3, 3] }], compute };
    },
  })),
];

type Binary = (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
interface BinaryOptions extends Bounds {
  readonly type?: Operand['type'];
  /** Bounds of the second operand, where they are others. */
  readonly second?: Bounds;
  readonly about?: string;
}

/** Two operands of which either may be the one that is stretched, or both. */
const binary = (kernel: string, compute: Binary, { type = 'float32', second, about, ...bounds }: BinaryOptions = {}): KernelCase => ({
  kernels: [kernel],
  about: [type === 'float32' ? '' : type, about].filter(Boolean).join(' '),
  count: 16,
  sample(random) {
    const shape = anyShape(random);
    const kind = random.integer(4);
    const shapes = [kind === 1 || kind === 3 ? narrower(random, shape) : shape, kind > 1 ? narrower(random, shape) : shape];
    return {
      operands: [
        { shape: shapes[0]!, type, ...bounds },
        { shape: shapes[1]!, type, ...bounds, ...second },
      ],
      compute,
    };
  },
});

/** Beside a number that changes nothing, or everything. */
const besideNumber = (kernel: string, about: string, compute: Unary): KernelCase => ({ ...unary(kernel, compute), about });

const whole: Bounds = { range: [-2, 2], whole: true };
const comparisons = {
  Equal: tf.equal,
  Greater: tf.greater,
  GreaterEqual: tf.greaterEqual,
  Less: tf.less,
  LessEqual: tf.lessEqual,
  NotEqual: tf.notEqual,
};

const binaryCases: readonly KernelCase[] = [
  binary('Add', (a, b) => tf.add(a, b)),
  binary('Add', (a, b) => tf.add(a, b), { type: 'int32', ...wide }),
  { ...binary('FloorDiv', (a, b) => tf.floorDiv(a, b), { ...wide, second: positive }), cpuOnly: 'wasm gives float32' },
  binary('FloorDiv', (a, b) => tf.floorDiv(a, b), { type: 'int32', ...wide, second: { range: [1, 3] } }),
  binary('FloorDiv', (a, b) => tf.div(a, b), { type: 'int32', ...wide, second: { range: [-3, -1] }, about: 'by div, negative' }),
  binary('LogicalAnd', (a, b) => tf.logicalAnd(a, b), { type: 'bool' }),
  binary('LogicalOr', (a, b) => tf.logicalOr(a, b), { type: 'bool' }),
  binary('Maximum', (a, b) => tf.maximum(a, b)),
  binary('Maximum', (a, b) => tf.maximum(a, b), { type: 'int32', ...wide }),
  binary('Minimum', (a, b) => tf.minimum(a, b)),
  binary('Minimum', (a, b) => tf.minimum(a, b), { type: 'int32', ...wide }),
  binary('Multiply', (a, b) => tf.mul(a, b)),
  binary('Multiply', (a, b) => tf.mul(a, b), { type: 'int32', ...wide }),
  binary('Pow', (a, b) => tf.pow(a, b), positive),
  binary('Pow', (a, b) => tf.pow(a, b), { type: 'int32', range: [-3, 3], second: { range: [0, 3] } }),
  binary('RealDiv', (a, b) => tf.div(a, b), { second: positive }),
  binary('SquaredDifference', (a, b) => tf.squaredDifference(a, b)),
  binary('SquaredDifference', (a, b) => tf.squaredDifference(a, b), { type: 'int32', ...wide }),
  binary('Sub', (a, b) => tf.sub(a, b)),
  binary('Sub', (a, b) => tf.sub(a, b), { type: 'int32', ...wide }),
  ...Object.entries(comparisons).flatMap(([kernel, compare]) => [
    binary(kernel, (a, b) => compare(a, b), whole),
    binary(kernel, (a, b) => compare(a, b), { ...whole, type: 'int32' }),
  ]),
  binary('Equal', (a, b) => tf.equal(a, b), { type: 'bool' }),
  besideNumber('Add', 'of 0', (x) => tf.add(tf.add(0, x), 0)),
  besideNumber('Multiply', 'by 1', (x) => tf.mul(tf.mul(1, x), 1)),
  besideNumber('Multiply', 'by 0', (x) => tf.add(tf.mul(0, x), tf.mul(x, 0))),
  besideNumber('Sub', 'of 0 and from 0', (x) => tf.sub(0, tf.sub(x, 0))),
  besideNumber('RealDiv', 'by 1 and of 1', (x) => tf.div(1, tf.div(tf.add(x, 3), 1))),
];

const addAll: KernelCase = {
  kernels: ['AddN'],
  sample(random) {
    const shape = anyShape(random);
    return { operands: Array.from({ length: between(random, 1, 4) }, () => ({ shape, ...whole })), compute: (...all) => tf.addN(all) };
  },
};

const selectOf = (type: Operand['type']): KernelCase => ({
  kernels: ['Select'],
  ...(type === undefined ? {} : { about: type }),
  ...(type === 'bool' ? { cpuOnly: 'wasm reads four bytes of each' } : {}),
  count: 16,
  sample(random): Sample {
    const shape = anyShape(random);
    const condition: Operand = { shape: random.next() < 0.5 ? shape : narrower(random, shape), type: 'bool' };
    const [yes, no] = [shape, random.next() < 0.5 ? shape : narrower(random, shape)];
    const of = (size: Operand['shape']): Operand => ({ shape: size, ...(type === undefined ? {} : { type }) });
    return { operands: [condition, of(yes), of(no)], compute: (mask, a, b) => tf.where(mask!, a!, b!) };
  },
});

const prelu: KernelCase = {
  kernels: ['Prelu'],
  cpuOnly: 'wasm does not stretch the slopes',
  count: 16,
  sample(random) {
    const shape = anyShape(random, 1);
    return { operands: [{ shape }, { shape: narrower(random, shape) }], compute: (x, alpha) => tf.prelu(x!, alpha!) };
  },
};

const eluGradient: KernelCase = {
  kernels: ['EluGrad'],
  sample: (random) => ({
    operands: [{ shape: anyShape(random) }],
    compute: (x) => tf.grad((values) => tf.mul(tf.elu(values), 3))(x!),
  }),
};

export const elementwiseCases: readonly KernelCase[] = [
  ...unaryCases,
  ...binaryCases,
  addAll,
  selectOf(undefined),
  selectOf('int32'),
  selectOf('bool'),
  prelu,
  eluGradient,
];
