import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Random } from '../../../src/common/random.js';
import { record } from '../../../src/graph/record.js';
import { writeOnnx } from '../../../src/graph/write-onnx.js';
import { installWasmKernels } from '../../../src/runtimes/wasm-kernels.js';
import { ortOrReason, type Ort } from './load-ort.js';
import { streamFor, type FreeName, type KernelCase, type Operand, type Sample, type Way } from './kernel-case.js';

type Sizes = Readonly<Record<FreeName, number>>;
type Numbers = Float32Array | Int32Array | Uint8Array;

interface Result {
  readonly shape: readonly number[];
  readonly type: string;
  readonly values: readonly number[];
}

/** An operand with the way it comes. */
interface Placed extends Operand {
  readonly way: Way;
  /** Of the number, where it is the same everywhere, and of the stream of its numbers. */
  readonly seed: number;
}

interface PlacedSample {
  readonly placed: readonly Placed[];
  readonly sample: Sample;
}

/** Sizes at which every graph is run. */
const sizeChoices: readonly Sizes[] = [
  { batch: 2, tokens: 4 },
  { batch: 1, tokens: 6 },
];

/** Makes both tfjs backends ready. */
export async function prepareBackends(): Promise<void> {
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(main), '..', 'wasm-out') + sep);
  installWasmKernels();
  await tf.setBackend('cpu');
  await tf.setBackend('wasm');
}

const isFree = ({ shape }: Operand): boolean => shape.some((size) => typeof size === 'string');
const withSizes = ({ shape }: Operand, sizes: Sizes): number[] => shape.map((size) => (typeof size === 'string' ? sizes[size] : size));
const product = (shape: readonly number[]): number => shape.reduce((count, size) => count * size, 1);

const waysOf = ({ ways, shape, type }: Operand): readonly Way[] =>
  ways ?? (shape.length === 4 && (type ?? 'float32') === 'float32' ? anyWay : plainWays);
const anyWay: readonly Way[] = ['input', 'channels-first', 'channels-first', 'captured', 'filled'];
const plainWays: readonly Way[] = ['input', 'input', 'captured', 'filled'];

/** Chooses how the operands come. Every free size is that of some input. */
function place(sample: Sample, random: Random): PlacedSample {
  const placed = sample.operands.map((operand) => {
    const ways = waysOf(operand);
    return { ...operand, way: ways[random.integer(ways.length)]!, seed: random.integer(1e9) };
  });
  for (const name of ['batch', 'tokens'] as const) {
    const those = placed.filter(({ shape }) => shape.includes(name));
    if (those.length > 0 && those.every(({ way }) => way === 'captured' || way === 'filled')) those[0]!.way = 'input';
  }
  return { placed, sample };
}

function numbers(operand: Placed, shape: readonly number[]): Numbers {
  const random = streamFor(String(operand.seed));
  const [low, high] = operand.range ?? [-2, 2];
  const whole = operand.whole === true || operand.type === 'int32';
  const next = (): number => {
    if (operand.type === 'bool') return random.integer(2);
    const number = low + random.next() * (high - low);
    return whole ? Math.round(number) : number;
  };
  const makers = { float32: Float32Array, int32: Int32Array, bool: Uint8Array };
  const fill = next();
  const list = Array.from({ length: product(shape) }, operand.way === 'filled' ? () => fill : next);
  return makers[operand.type ?? 'float32'].from(list);
}

const tensorOf = (operand: Placed, shape: readonly number[]): tf.Tensor =>
  tf.tensor(numbers(operand, shape), [...shape], operand.type ?? 'float32');

/** A convolution that gives what it gets: in the graph, its result has its channels first. */
function channelsFirst(tensor: tf.Tensor): tf.Tensor {
  const channels = tensor.shape.at(-1)!;
  const filter = tf.tensor4d(
    Float32Array.from({ length: channels * channels }, (_, index) => Number(index % (channels + 1) === 0)),
    [1, 1, channels, channels],
  );
  return tf.conv2d(tensor as tf.Tensor4D, filter, 1, 'valid');
}

/** Runs the sample on tensors that come from outside. */
const computed = ({ placed, sample }: PlacedSample, tensors: readonly tf.Tensor[]): tf.Tensor[] =>
  [sample.compute(...tensors.map((tensor, index) => (placed[index]!.way === 'channels-first' ? channelsFirst(tensor) : tensor)))].flat();

function eagerly(sample: PlacedSample, sizes: Sizes): Result[] {
  return tf.tidy(() => {
    const tensors = sample.placed.map((operand) => tensorOf(operand, withSizes(operand, sizes)));
    return computed(sample, tensors).map((tensor) => ({ shape: tensor.shape, type: tensor.dtype, values: Array.from(tensor.dataSync()) }));
  });
}

/** Names of the kernels that are asked for meanwhile. */
export function watchKernels<T>(run: () => T): { result: T; names: Set<string> } {
  const engine = tf.engine();
  const names = new Set<string>();
  const original = engine.runKernel.bind(engine);
  engine.runKernel = ((name: string, ...rest: [never, never]) => {
    names.add(name);
    return original(name, ...rest);
  }) as typeof engine.runKernel;
  try {
    return { result: run(), names };
  } finally {
    Reflect.deleteProperty(engine, 'runKernel');
  }
}

interface Books {
  readonly state: { readonly tensorInfo: WeakMap<object, { readonly backend: object }> };
}
const backendOf = ({ dataId }: tf.Tensor): object => (tf.engine() as unknown as Books).state.tensorInfo.get(dataId)!.backend;

/** The sample as a graph, and which kernels it took. What it captures is data of the cpu backend, and stays there. */
function recorded(
  sample: PlacedSample,
  sizes: Sizes | undefined,
  count: number,
): { bytes: Uint8Array; names: Set<string>; inputs: number[] } {
  const isInput = (operand: Placed): boolean =>
    operand.way === 'input' || operand.way === 'channels-first' || (sizes === undefined && operand.way === 'captured' && isFree(operand));
  const fixed = sizes ?? sizeChoices[0]!;
  const cpu = tf.findBackend('cpu');
  const { placed } = sample;
  const captured = new Map(
    placed.flatMap((operand, index) =>
      !isInput(operand) && operand.way === 'captured' ? [[index, onCpu(operand, withSizes(operand, fixed))]] : [],
    ),
  );
  const inputs = placed.flatMap((operand, index) => (isInput(operand) ? [index] : []));
  const compute = (given: readonly tf.Tensor[]): tf.Tensor[] => {
    const sizeNow = (name: FreeName): number => {
      if (sizes !== undefined) return sizes[name];
      const place = inputs.findIndex((index) => placed[index]!.shape.includes(name));
      return given[place]!.shape[placed[inputs[place]!]!.shape.indexOf(name)]!;
    };
    const tensors = placed.map((operand, index) => {
      const shape = operand.shape.map((size) => (typeof size === 'string' ? sizeNow(size) : size));
      if (inputs.includes(index)) return given[inputs.indexOf(index)]!;
      return captured.get(index) ?? tf.fill(shape, numbers(operand, [1])[0]!, operand.type ?? 'float32');
    });
    return computed(sample, tensors);
  };
  try {
    const before = tf.memory();
    const { result, names } = watchKernels(() =>
      record({
        name: 'sample',
        inputs: inputs.map((index) => ({
          name: `x${index}`,
          type: placed[index]!.type ?? 'float32',
          shape: sizes === undefined ? placed[index]!.shape : withSizes(placed[index]!, sizes),
        })),
        outputs: Array.from({ length: count }, (_, index) => `y${index}`),
        compute,
      }),
    );
    expect(tf.memory()).toEqual(before);
    for (const tensor of captured.values()) expect(backendOf(tensor) === cpu).toBe(true);
    return { bytes: writeOnnx(result.model), names, inputs };
  } finally {
    tf.dispose([...captured.values()]);
  }
}

/** A tensor whose numbers the cpu backend has, while another one is in use. */
function onCpu(operand: Placed, shape: readonly number[]): tf.Tensor {
  const backend = tf.findBackend('cpu');
  const type = operand.type ?? 'float32';
  const dataId = backend.write(numbers(operand, shape), [...shape], type);
  return tf.engine().makeTensorFromTensorInfo({ dataId, shape: [...shape], dtype: type }, backend);
}

async function inGraph(
  ort: Ort,
  bytes: Uint8Array,
  { placed }: PlacedSample,
  sizes: Sizes,
  inputs: number[],
  level: 'all' | 'disabled',
): Promise<Result[]> {
  const session = await ort.InferenceSession.create(bytes, { graphOptimizationLevel: level, logSeverityLevel: 3, intraOpNumThreads: 1 });
  try {
    const feeds = inputs.map((index) => {
      const shape = withSizes(placed[index]!, sizes);
      return [`x${index}`, new ort.Tensor(placed[index]!.type ?? 'float32', numbers(placed[index]!, shape) as Float32Array, shape)];
    });
    const results = await session.run(Object.fromEntries(feeds));
    return session.outputNames.map((name) => {
      const { dims, type, data } = results[name]!;
      return { shape: dims, type, values: Array.from(data as Float32Array, Number) };
    });
  } finally {
    await session.release();
  }
}

/** Largest difference as a share of the greatest finite number; Infinity where one is a number and the other is none. */
function difference(expected: readonly number[], received: readonly number[], floor: number): number {
  const scale = expected.reduce((most, value) => (Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most), floor);
  return expected.reduce((worst, value, index) => {
    const other = received[index]!;
    if (Object.is(value, other)) return worst;
    const distance = Math.abs(value - other) / scale;
    return Number.isNaN(distance) ? Infinity : Math.max(worst, distance);
  }, 0);
}

function expectSame(
  received: readonly Result[],
  expected: readonly Result[],
  { tolerance = 1e-5, floor = 1e-3 }: KernelCase,
  where: string,
): void {
  const forms = (results: readonly Result[]): unknown[] => results.map(({ shape, type }) => [type, ...shape]);
  expect(forms(received), where).toEqual(forms(expected));
  expected.forEach(({ values }, index) => {
    const worst = difference(values, received[index]!.values, floor);
    if (worst > tolerance)
      expect.fail(
        `${where}: output ${index} differs by ${worst}\nexpected ${values.slice(0, 12).join(' ')}\nreceived ${received[index]!.values.slice(0, 12).join(' ')}`,
      );
  });
}

const inWords = ({ placed, sample }: PlacedSample): string =>
  [...placed.map(({ shape, type = 'float32', way }) => `${type} [${shape.join(',')}] ${way}`), JSON.stringify(sample.settings ?? {})].join(
    '; ',
  );

async function onBackend(name: string, samples: readonly PlacedSample[]): Promise<Result[][][]> {
  await tf.setBackend(name);
  return samples.map((sample, index) =>
    attempt(`${name}, sample ${index}: ${inWords(sample)}`, () => sizeChoices.map((sizes) => eagerly(sample, sizes))),
  );
}

async function checkCase(one: KernelCase, ort: Ort): Promise<void> {
  const random = streamFor([...one.kernels, one.about ?? ''].join());
  const samples = Array.from({ length: one.count ?? 6 }, () => place(one.sample(random), random));
  try {
    await checkSamples(one, samples, ort);
  } finally {
    for (const { sample } of samples) for (const weight of sample.weights ?? []) weight.dispose();
  }
}

async function checkSamples(one: KernelCase, samples: readonly PlacedSample[], ort: Ort): Promise<void> {
  const { kernels, fixedOnly, cpuOnly } = one;
  const onProcessor = await onBackend('cpu', samples);
  const onWasm = cpuOnly === undefined ? await onBackend('wasm', samples) : onProcessor;
  await tf.setBackend('wasm');
  for (const [index, placed] of samples.entries()) {
    const expected = [onProcessor[index]!, onWasm[index]!];
    const outputs = expected[0]![0]!.length;
    const plans = [
      { free: false, sizes: [0] },
      ...(fixedOnly === undefined && placed.placed.some(isFree) ? [{ free: true, sizes: [0, 1] }] : []),
    ];
    for (const { free, sizes } of plans) {
      const where = `${free ? 'free' : 'fixed'} sizes, sample ${index}: ${inWords(placed)}`;
      const { bytes, names, inputs } = attempt(where, () => recorded(placed, free ? undefined : sizeChoices[0]!, outputs));
      for (const name of kernels) expect([...names], where).toContain(name);
      for (const size of sizes) {
        const received = await inGraph(ort, bytes, placed, sizeChoices[size]!, inputs, index % 2 === 0 ? 'all' : 'disabled').catch(
          (error: unknown) => {
            throw new Error(`${where}: ${String(error)}`, { cause: error });
          },
        );
        expectSame(received, expected[0]![size]!, one, `cpu, ${where}`);
        expectSame(received, expected[1]![size]!, one, `wasm, ${where}`);
      }
    }
  }
}

function attempt<T>(where: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    throw new Error(`${where}: ${error instanceof Error ? (error.stack ?? error.message).slice(0, 1500) : String(error)}`, {
      cause: error,
    });
  }
}

/** One test for each case: the graph, run by ONNX Runtime, gives what tfjs gives on both backends. */
export function testCases(title: string, cases: readonly KernelCase[]): void {
  describe.skipIf(ortOrReason instanceof Error)(title, () => {
    test.each(cases.map((one) => [[...one.kernels.slice(0, 3), one.about].filter(Boolean).join(' '), one] as const))(
      '%s',
      async (_, one) => {
        const before = tf.memory().numTensors;
        await checkCase(one, ortOrReason as Ort);
        expect(tf.memory().numTensors).toBe(before);
      },
    );
  });
}
