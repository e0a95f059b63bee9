import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import fc from 'fast-check';
import { createRequire } from 'node:module';
import { dirname, join, sep } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TransferKitError } from '../../src/errors.js';
import { installWasmKernels } from '../../src/runtimes/wasm-kernels.js';

/** A computation that makes its own tensors, so that it can run on either backend. */
type Compute = () => tf.Tensor | tf.Tensor[];

interface Outcome {
  readonly values: readonly number[];
  readonly shapes: readonly (readonly number[])[];
  readonly dtypes: readonly string[];
}

beforeAll(() => {
  const main = createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm');
  setWasmPaths(join(dirname(main), '..', 'wasm-out') + sep);
  installWasmKernels();
});
afterAll(() => tf.removeBackend('wasm'));

/** Runs on a backend, and checks that nothing stays behind, in tfjs's count and in the backend's own. */
async function run(backend: string, compute: Compute): Promise<Outcome> {
  await tf.setBackend(backend);
  const count = () => [tf.memory().numTensors, tf.memory().numDataBuffers, tf.engine().backend.numDataIds()];
  const before = count();
  const outputs = tf.tidy(() => [compute()].flat().map((out) => ({ values: [...out.dataSync()], shape: out.shape, dtype: out.dtype })));
  expect(count()).toEqual(before);
  return { values: outputs.flatMap((out) => out.values), shapes: outputs.map((out) => out.shape), dtypes: outputs.map((out) => out.dtype) };
}

/** |difference| <= tolerance x (1 + |expected|), in every number. */
async function expectSameAsCpu(compute: Compute, tolerance = 1e-4): Promise<void> {
  const [expected, received] = [await run('cpu', compute), await run('wasm', compute)];
  expect(received.shapes).toEqual(expected.shapes);
  expect(received.dtypes).toEqual(expected.dtypes);
  const worst = expected.values.reduce((most, value, index) => {
    const difference = Math.abs(value - (received.values[index] ?? NaN)) / (1 + Math.abs(value));
    return Number.isNaN(value) && Number.isNaN(received.values[index])
      ? most
      : Math.max(most, Number.isNaN(difference) ? Infinity : difference);
  }, 0);
  expect(worst).toBeLessThanOrEqual(tolerance);
}

const normal = (shape: number[], seed: number): tf.Tensor => tf.randomNormal(shape, 0, 1, 'float32', seed);
const kernel = (name: string, inputs: Record<string, tf.Tensor>, attrs: object): tf.Tensor =>
  tf.engine().runKernel(name, inputs, attrs as Parameters<ReturnType<typeof tf.engine>['runKernel']>[2]) as tf.Tensor;

const check = async <Sample>(
  arbitrary: fc.Arbitrary<Sample>,
  numRuns: number,
  compute: (sample: Sample) => Compute,
  tolerance?: number,
): Promise<void> =>
  fc.assert(
    fc.asyncProperty(arbitrary, async (sample) => expectSameAsCpu(compute(sample), tolerance)),
    { numRuns, seed: 42 },
  );

const size = fc.oneof(
  { weight: 1, arbitrary: fc.constant(0) },
  { weight: 6, arbitrary: fc.integer({ min: 1, max: 9 }) },
  { weight: 6, arbitrary: fc.integer({ min: 10, max: 70 }) },
);
const positive = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 10, max: 70 }));

describe('matMul', () => {
  const product = fc.record({ m: size, k: size, n: size, transposeA: fc.boolean(), transposeB: fc.boolean() });
  /** Batch axes of both sides that broadcast to each other. */
  const batches = fc.array(fc.tuple(fc.integer({ min: 1, max: 4 }), fc.constantFrom('both', 'a', 'b')), { maxLength: 3 }).chain((axes) =>
    fc.record({
      a: fc.constant(axes.map(([length, owner]) => (owner === 'b' ? 1 : length))),
      b: fc.constant(axes.map(([length, owner]) => (owner === 'a' ? 1 : length))),
    }),
  );
  /** cpu gives wrong numbers where the batch axes of both sides are broadcast; tiled operands it computes right. */
  const shapes = (sample: { m: number; k: number; n: number; transposeA: boolean; transposeB: boolean }) => ({
    a: sample.transposeA ? [sample.k, sample.m] : [sample.m, sample.k],
    b: sample.transposeB ? [sample.n, sample.k] : [sample.k, sample.n],
  });

  it('equals cpu for any shape, transposition and batch', () =>
    check(fc.record({ product, batches }), 150, ({ product: sizes, batches: outer }) => () => {
      const { a, b } = shapes(sizes);
      const [left, right] = [normal([...outer.a, ...a], 1), normal([...outer.b, ...b], 2)];
      const whole = outer.a.map((length, axis) => Math.max(length, outer.b[axis]!));
      const spread = (x: tf.Tensor, own: number[]) => (tf.getBackend() === 'cpu' ? tf.broadcastTo(x, [...whole, ...own.slice(-2)]) : x);
      return tf.matMul(spread(left, a), spread(right, b), sizes.transposeA, sizes.transposeB);
    }));

  it('has the gradients of cpu', () =>
    check(
      product,
      40,
      (sizes) => () => {
        const { a, b } = shapes({ ...sizes, m: sizes.m + 1, k: sizes.k + 1, n: sizes.n + 1 });
        const f = (x: tf.Tensor, y: tf.Tensor) => tf.sum(tf.square(tf.matMul(x, y, sizes.transposeA, sizes.transposeB))) as tf.Scalar;
        return tf.grads(f as (...x: tf.Tensor[]) => tf.Scalar)([normal([2, ...a], 1), normal([2, ...b], 2)]);
      },
      1e-3,
    ));

  it.each(['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'prelu', 'leakyrelu'] as const)('fuses bias and %s as cpu does', (activation) =>
    check(
      fc.record({ product, batch: fc.integer({ min: 1, max: 3 }), bias: fc.constantFrom('none', 'row', 'reshaped', 'scalar') }),
      15,
      ({ product: sizes, batch, bias }) =>
        () => {
          const nonEmpty = { ...sizes, m: sizes.m + 1, k: sizes.k + 1, n: sizes.n + 1 };
          const { a, b } = shapes(nonEmpty);
          const biases = {
            none: undefined,
            row: normal([nonEmpty.n], 3),
            reshaped: tf.reshape(normal([nonEmpty.n, 1], 3), [nonEmpty.n]),
            scalar: normal([1], 3),
          };
          return tf.fused.matMul({
            a: normal([batch, ...a], 1),
            b: normal([batch, ...b], 2),
            transposeA: sizes.transposeA,
            transposeB: sizes.transposeB,
            activation,
            ...(bias === 'none' ? {} : { bias: biases[bias]! }),
            ...(activation === 'prelu' ? { preluActivationWeights: normal([nonEmpty.n], 4) } : {}),
            leakyreluAlpha: 0.3,
          });
        },
    ),
  );

  it('does not mix up two shapes of the same data (tfjs keeps packed weights by id alone)', () =>
    expectSameAsCpu(() => {
      const weights = normal([4, 6], 1);
      return [tf.matMul(normal([5, 4], 2), weights), tf.matMul(normal([5, 8], 3), tf.reshape(weights, [8, 3]))];
    }));

  it('keeps the heap flat over thousands of steps, also when both sides change', async () => {
    await tf.setBackend('wasm');
    const backend = tf.backend() as unknown as { wasm: { HEAPU8: Uint8Array } };
    const step = (seed: number) =>
      tf.tidy(() => {
        const [x, w, dy] = [normal([64, 96], seed), normal([96, 48], seed + 1), normal([64, 48], seed + 2)];
        tf.matMul(x, w);
        tf.matMul(x, dy, true, false);
        tf.matMul(dy, w, false, true);
        tf.matMul(tf.reshape(x, [4, 16, 96]), tf.reshape(x, [4, 16, 96]), false, true);
      });
    for (let index = 0; index < 20; index++) step(index);
    const [heap, counts] = [backend.wasm.HEAPU8.length, tf.memory().numDataBuffers];
    for (let index = 0; index < 2000; index++) step(index);
    expect([backend.wasm.HEAPU8.length, tf.memory().numDataBuffers]).toEqual([heap, counts]);
  });

  it('gives everything back when the operands do not fit', async () => {
    await tf.setBackend('wasm');
    const before = tf.engine().backend.numDataIds();
    tf.tidy(() => {
      const [a, b] = [normal([2, 3, 4], 1), normal([2, 5, 6], 2)];
      expect(() => kernel('BatchMatMul', { a, b }, { transposeA: true, transposeB: false })).toThrow(/inner sizes 3 and 5/);
      expect(() => kernel('BatchMatMul', { a: tf.cast(a, 'int32'), b }, { transposeA: false, transposeB: false })).toThrow(/int32/);
    });
    expect(tf.engine().backend.numDataIds()).toBe(before);
  });
});

/** A convolution that gives at least one output: sizes, stride and padding. */
const convolution = fc
  .record({
    batch: fc.integer({ min: 1, max: 3 }),
    height: fc.integer({ min: 1, max: 12 }),
    width: fc.integer({ min: 1, max: 12 }),
    channels: fc.constantFrom(1, 3, 8, 17),
    filter: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
    stride: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
    pad: fc.constantFrom('same' as const, 'valid' as const, 0, 1, 2, 'explicit' as const),
    explicit: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 4, maxLength: 4 }),
    outputs: fc.constantFrom(1, 2, 5, 16),
  })
  .map(({ pad, explicit: [top, bottom, left, right], ...rest }) => ({
    ...rest,
    pad:
      pad === 'explicit'
        ? ([
            [0, 0],
            [top!, bottom!],
            [left!, right!],
            [0, 0],
          ] as const)
        : pad,
  }))
  .filter(({ height, width, filter }) => filter[0] <= height && filter[1] <= width)
  // With padding as a number tfjs takes height's filter and stride for the width too, and its wasm kernel then writes past the end.
  .filter(({ pad, filter, stride }) => typeof pad !== 'number' || (filter[0] === filter[1] && stride[0] === stride[1]));
type Convolution = typeof convolution extends fc.Arbitrary<infer Sample> ? Sample : never;

const padOf = ({ pad }: Convolution) => pad as 'same';

describe('conv2d', () => {
  const f = (sample: Convolution) => (x: tf.Tensor, filter: tf.Tensor) =>
    tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, sample.stride, padOf(sample));
  const inputs = ({ batch, height, width, channels, filter, outputs }: Convolution) => [
    normal([batch, height, width, channels], 1),
    normal([...filter, channels, outputs], 2),
  ];

  it('has the gradients of cpu', () =>
    check(convolution, 80, (sample) => () => {
      const output = f(sample)(...(inputs(sample) as [tf.Tensor, tf.Tensor]));
      return [output, ...tf.grads(f(sample) as (...x: tf.Tensor[]) => tf.Tensor)(inputs(sample), normal(output.shape, 3))];
    }));

  it.each([1, 2])('has the gradients of cpu where the batch is cut into blocks, stride %i', (stride) =>
    expectSameAsCpu(() => {
      const big = (x: tf.Tensor, filter: tf.Tensor) => tf.conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, stride, 'same');
      const [x, filter] = [normal([5, 90, 90, 16], 1), normal([3, 3, 16, 1], 2)];
      return tf.grads(big as (...x: tf.Tensor[]) => tf.Tensor)([x, filter], normal([5, 90 / stride, 90 / stride, 1], 3));
    }, 1e-3),
  );

  it('equals cpu with padding "same" and a stride longer than the filter, where tfjs is wrong', () =>
    expectSameAsCpu(() => {
      const x = normal([1, 12, 13, 4], 1) as tf.Tensor4D;
      const [filter, depthwise] = [normal([2, 3, 4, 5], 2) as tf.Tensor4D, normal([2, 3, 4, 1], 3) as tf.Tensor4D];
      const fused = { x, strides: [3, 1] as [number, number], pad: 'same' as const, activation: 'relu' as const };
      return [
        tf.conv2d(x, filter, [3, 4], 'same'),
        tf.depthwiseConv2d(x, depthwise, 4, 'same'),
        tf.fused.conv2d({ ...fused, filter }),
        tf.fused.depthwiseConv2d({ ...fused, strides: 3, filter: depthwise }),
      ];
    }));

  it('refuses channels first, and gives everything back', async () => {
    await tf.setBackend('wasm');
    const before = tf.engine().backend.numDataIds();
    tf.tidy(() => {
      const attrs = { strides: [1, 1], pad: 'valid', dataFormat: 'NCHW', filterShape: [1, 1, 2, 2] };
      const failing = () => kernel('Conv2DBackpropFilter', { x: normal([1, 2, 3, 3], 1), dy: normal([1, 2, 3, 3], 2) }, attrs);
      expect(failing).toThrow(TransferKitError);
      expect(failing).toThrow(/dataFormat NHWC, received NCHW/);
    });
    expect(tf.engine().backend.numDataIds()).toBe(before);
  });
});

describe('depthwiseConv2d', () => {
  it('has the gradients of cpu', () =>
    check(fc.tuple(convolution, fc.integer({ min: 1, max: 3 })), 80, ([sample, multiplier]) => () => {
      const f = (x: tf.Tensor, filter: tf.Tensor) =>
        tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, sample.stride, padOf(sample));
      const inputs = [
        normal([sample.batch, sample.height, sample.width, sample.channels], 1),
        normal([...sample.filter, sample.channels, multiplier], 2),
      ];
      const output = f(inputs[0]!, inputs[1]!);
      return [output, ...tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor)(inputs, normal(output.shape, 3))];
    }));

  /** cpu ignores the dilation in these two kernels, so they are held to the definition: <dy, conv(x, w)> = <dx, x> = <dw, w>. */
  it('is the adjoint of the forward pass with dilation', () =>
    fc.assert(
      fc.asyncProperty(
        fc.tuple(convolution, fc.integer({ min: 1, max: 2 }), fc.integer({ min: 1, max: 3 })),
        async ([sample, multiplier, dilation]) => {
          const [height, width] = [sample.height + 12, sample.width + 12];
          const { values } = await run('wasm', () => {
            const [x, filter] = [
              normal([sample.batch, height, width, sample.channels], 1),
              normal([...sample.filter, sample.channels, multiplier], 2),
            ];
            const strides = dilation > 1 ? [1, 1] : sample.stride;
            const y = tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, strides as [number, number], padOf(sample), 'NHWC', [
              dilation,
              dilation,
            ]);
            const dy = normal(y.shape, 3);
            const attrs = { strides, pad: padOf(sample), dilations: [dilation, dilation] };
            const dx = kernel('DepthwiseConv2dNativeBackpropInput', { dy, filter }, { ...attrs, inputShape: x.shape });
            const dw = kernel('DepthwiseConv2dNativeBackpropFilter', { x, dy }, { ...attrs, filterShape: filter.shape });
            return [tf.sum(tf.mul(dy, y)), tf.sum(tf.mul(dx, x)), tf.sum(tf.mul(dw, filter))];
          });
          const scale = 1 + Math.sqrt(sample.batch * height * width * sample.channels * multiplier * sample.filter[0] * sample.filter[1]);
          expect(Math.abs(values[1]! - values[0]!) / scale).toBeLessThan(1e-4);
          expect(Math.abs(values[2]! - values[0]!) / scale).toBeLessThan(1e-4);
        },
      ),
      { numRuns: 60, seed: 42 },
    ));

  it('has the gradients of cpu for an image larger than one block', () =>
    expectSameAsCpu(() => {
      const f = (x: tf.Tensor, filter: tf.Tensor) => tf.depthwiseConv2d(x as tf.Tensor4D, filter as tf.Tensor4D, 1, 'same');
      return tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor)(
        [normal([2, 40, 40, 40], 1), normal([3, 3, 40, 1], 2)],
        normal([2, 40, 40, 40], 3),
      );
    }, 1e-3));
});

describe('reductions and broadcasts', () => {
  const shape = fc
    .array(fc.oneof(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 5, max: 40 })), { minLength: 1, maxLength: 4 })
    .filter((lengths) => lengths.reduce((a, b) => a * b) < 40_000);
  const reduction = shape.chain((lengths) =>
    fc.record({ lengths: fc.constant(lengths), axes: fc.subarray(lengths.map((_, axis) => axis)), keepDims: fc.boolean() }),
  );

  it('sum and mean equal cpu over any axes', () =>
    check(reduction, 100, ({ lengths, axes, keepDims }) => () => {
      const x = normal(lengths, 1);
      return [tf.sum(x, axes, keepDims), tf.mean(x, axes, keepDims), tf.sum(tf.cast(x, 'int32'), axes, keepDims)];
    }));

  it('tile equals cpu', () =>
    check(
      shape.chain((lengths) =>
        fc.tuple(
          fc.constant(lengths.map((length) => Math.min(length, 6))),
          fc.array(fc.integer({ min: 1, max: 4 }), { minLength: lengths.length, maxLength: lengths.length }),
        ),
      ),
      60,
      ([lengths, reps]) =>
        () => {
          const x = normal(lengths, 1);
          return [tf.tile(x, reps), tf.tile(tf.cast(x, 'int32'), reps), tf.tile(tf.greater(x, 0), reps)];
        },
    ));

  it('batchNorm has the values and gradients of cpu', () =>
    check(
      fc.record({ pixels: positive, channels: positive, withOffset: fc.boolean(), withScale: fc.boolean() }),
      40,
      ({ pixels, channels, withOffset, withScale }) =>
        () => {
          const f = (x: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor, offset: tf.Tensor, scale: tf.Tensor) =>
            tf.batchNorm(
              x,
              mean as tf.Tensor1D,
              tf.abs(variance) as tf.Tensor1D,
              withOffset ? (offset as tf.Tensor1D) : undefined,
              withScale ? (scale as tf.Tensor1D) : undefined,
              1e-3,
            );
          const inputs = [normal([2, pixels, 3, channels], 1), ...[2, 3, 4, 5].map((seed) => normal([channels], seed))] as [
            tf.Tensor,
            tf.Tensor,
            tf.Tensor,
            tf.Tensor,
            tf.Tensor,
          ];
          if (!withOffset || !withScale) return f(...inputs);
          return [f(...inputs), ...tf.grads(f as (...x: tf.Tensor[]) => tf.Tensor)(inputs, normal([2, pixels, 3, channels], 6))];
        },
      1e-3,
    ));

  it.each(['less', 'lessEqual', 'greater', 'greaterEqual'] as const)('%s equals cpu', (name) =>
    check(
      fc.record({
        lengths: shape,
        against: fc.constantFrom('same', 'scalar', 'one', 'row'),
        dtype: fc.constantFrom('float32' as const, 'int32' as const),
      }),
      20,
      ({ lengths, against, dtype }) =>
        () => {
          const cast = (x: tf.Tensor) => tf.cast(tf.round(tf.mul(x, 2)), dtype);
          const others = { same: lengths, scalar: [], one: [1], row: lengths.slice(-1) };
          return tf[name](cast(normal(lengths, 1)), cast(normal(others[against], 2)));
        },
    ),
  );
});

describe('clone', () => {
  it('shares memory, and either owner may go first', async () => {
    await tf.setBackend('wasm');
    const before = tf.engine().backend.numDataIds();
    for (const order of [0, 1]) {
      const original = normal([3], 1);
      const copies = [original, tf.clone(original)];
      const expected = [...original.dataSync()];
      copies[order]!.dispose();
      expect([...copies[1 - order]!.dataSync()]).toEqual(expected);
      copies[1 - order]!.dispose();
    }
    expect(tf.engine().backend.numDataIds()).toBe(before);
  });
});

describe('maxPool', () => {
  /** Slopes of a weighted sum of the pooled values, so that each window counts by itself. */
  const slopes = (x: tf.Tensor4D, size: [number, number], strides: [number, number], pad: 'same' | 'valid') =>
    tf.grad((values) => {
      const pooled = tf.maxPool(values as tf.Tensor4D, size, strides, pad);
      return tf.mul(pooled, normal(pooled.shape, 2));
    })(x);

  it('gives the gradient of each window to its greatest value, also where all are below zero', () =>
    check(
      fc.record({
        shape: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 4, max: 9 }), fc.integer({ min: 4, max: 9 }), positive),
        size: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
        strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 3 })),
        pad: fc.constantFrom('same' as const, 'valid' as const),
        shift: fc.constantFrom(0, -10, 10),
      }),
      60,
      ({ shape, size, strides, pad, shift }) =>
        () =>
          slopes(tf.add(normal([...shape], 1), shift) as tf.Tensor4D, size, strides, pad),
    ));

  it('gives it to the first of equals', () =>
    expectSameAsCpu(() => slopes(tf.concat([tf.zeros([1, 4, 4, 2]), tf.ones([1, 4, 4, 2])]) as tf.Tensor4D, [2, 2], [2, 2], 'valid')));
});

describe('unsortedSegmentSum', () => {
  it('equals cpu, ids outside left out', () =>
    check(
      fc.record({
        ids: fc.array(fc.integer({ min: -2, max: 7 }), { minLength: 1, maxLength: 40 }),
        width: positive,
        dtype: fc.constantFrom('float32' as const, 'int32' as const),
      }),
      40,
      ({ ids, width, dtype }) =>
        () => {
          const x = tf.cast(tf.mul(normal([ids.length, width, 2], 1), 10), dtype);
          return tf.cast(tf.unsortedSegmentSum(x, tf.tensor1d(ids, 'int32'), 6), 'float32'); // cpu answers float32 for int32 too
        },
    ));

  it('is the gradient of an embedding', () =>
    expectSameAsCpu(() =>
      tf.grad((table: tf.Tensor) =>
        tf.square(
          tf.gather(
            table,
            tf.tensor2d(
              [
                [1, 4, 4],
                [0, 1, 2],
              ],
              [2, 3],
              'int32',
            ),
          ),
        ),
      )(normal([6, 8], 1)),
    ));

  it('refuses ids of two axes', async () => {
    await tf.setBackend('wasm');
    tf.tidy(() => {
      const inputs = { x: normal([2, 2], 1), segmentIds: tf.zeros([2, 2], 'int32') };
      expect(() => kernel('UnsortedSegmentSum', inputs, { numSegments: 2 })).toThrow(/unsupported: .*one axis of ids/);
    });
  });
});

describe('einsum', () => {
  const equation = fc.constantFrom('abcde', 'abcd').chain((word) =>
    fc.record({
      lengths: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 5, maxLength: 5 }),
      left: fc.shuffledSubarray(Array.from(word), { minLength: 1, maxLength: 3 }),
      right: fc.option(fc.shuffledSubarray(Array.from(word), { minLength: 1, maxLength: 3 })),
      output: fc.shuffledSubarray(Array.from(word)),
    }),
  );

  it('equals a sum written out', () =>
    check(equation, 80, ({ lengths, left, right, output }) => () => {
      const terms = right === null ? [left] : [left, right];
      const known = output.filter((letter) => terms.flat().includes(letter));
      const length = (letter: string) => lengths['abcde'.indexOf(letter)]!;
      const inputs = terms.map((letters, index) => normal(letters.map(length), index + 1));
      if (tf.getBackend() === 'wasm')
        return tf.einsum(`${terms.map((letters) => letters.join('')).join(',')}->${known.join('')}`, ...inputs);
      const all = [...known, ...new Set(terms.flat().filter((letter) => !known.includes(letter)))];
      const spread = inputs.map((x, index) => {
        const letters = terms[index]!;
        const order = all.filter((letter) => letters.includes(letter)).map((letter) => letters.indexOf(letter));
        return tf.reshape(
          tf.transpose(x, order),
          all.map((letter) => (letters.includes(letter) ? length(letter) : 1)),
        );
      });
      const product = spread.reduce((a, b) => tf.mul(a, b));
      return tf.sum(
        product,
        all.slice(known.length).map((_, index) => known.length + index),
      );
    }));

  it.each([
    ['bij,bjk', /output must be given/],
    ['...ij,jk->ik', /letters only/],
    ['ii->i', /twice in one term/],
    ['ij,jk,kl->il', /one or two inputs/],
    ['ijk,jk->i', /2 and 2 axes/],
    ['ij,jk->ix', /no input has/],
    ['ij,ik->jk', /"i" is 2 long in one input and 3 in the other/],
  ])('refuses %s', async (text, message) => {
    await tf.setBackend('wasm');
    const before = tf.engine().backend.numDataIds();
    tf.tidy(() => {
      const shapes = text.startsWith('ij,jk,')
        ? [
            [2, 3],
            [3, 2],
            [2, 2],
          ]
        : text === 'ii->i'
          ? [[2, 2]]
          : [
              [2, 3],
              [3, 2],
            ];
      const failing = () => tf.einsum(text, ...shapes.map((shape) => normal(shape, 1)));
      expect(failing).toThrow(TransferKitError);
      expect(failing).toThrow(message);
    });
    expect(tf.engine().backend.numDataIds()).toBe(before);
  });
});

describe('whole steps', () => {
  it('an inverted residual block trains as on cpu', () =>
    expectSameAsCpu(() => {
      const block = (x: tf.Tensor, expand: tf.Tensor, depthwise: tf.Tensor, project: tf.Tensor, scale: tf.Tensor) => {
        const offset = tf.zeros([24]) as tf.Tensor1D;
        const normalise = (h: tf.Tensor, gamma: tf.Tensor1D) => {
          const { mean, variance } = tf.moments(h, [0, 1, 2]);
          return tf.batchNorm(h as tf.Tensor4D, mean as tf.Tensor1D, variance as tf.Tensor1D, offset, gamma, 1e-3);
        };
        const wide = tf.relu6(
          normalise(tf.conv2d(x as tf.Tensor4D, expand as tf.Tensor4D, 1, 'same'), scale as tf.Tensor1D),
        ) as tf.Tensor4D;
        const padded = tf.pad(wide, [
          [0, 0],
          [0, 1],
          [0, 1],
          [0, 0],
        ]) as tf.Tensor4D;
        const moved = tf.relu6(
          normalise(tf.depthwiseConv2d(padded, depthwise as tf.Tensor4D, 2, 'valid'), scale as tf.Tensor1D),
        ) as tf.Tensor4D;
        const pooled = tf.mean(tf.conv2d(moved, project as tf.Tensor4D, 1, 'same'), [1, 2]) as tf.Tensor2D;
        return tf.losses.softmaxCrossEntropy(tf.oneHot(tf.tensor1d([1, 3], 'int32'), 5), pooled) as tf.Scalar;
      };
      const inputs = [
        normal([2, 8, 8, 4], 1),
        normal([1, 1, 4, 24], 2),
        normal([3, 3, 24, 1], 3),
        normal([1, 1, 24, 5], 4),
        tf.abs(normal([24], 5)),
      ];
      return tf.grads(block as (...x: tf.Tensor[]) => tf.Scalar)(inputs);
    }, 1e-3));

  it('a transformer layer trains as on cpu', () =>
    expectSameAsCpu(() => {
      const [batch, tokens, width, heads] = [2, 5, 8, 2];
      const layer = (table: tf.Tensor, query: tf.Tensor, mix: tf.Tensor, grow: tf.Tensor, gain: tf.Tensor) => {
        const x = tf.gather(table, tf.tensor1d([1, 2, 3, 4, 5, 1, 2, 0, 0, 6], 'int32'));
        const { mean, variance } = tf.moments(x, -1, true);
        const h = tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), gain);
        const split = (y: tf.Tensor) => tf.transpose(tf.reshape(y, [batch, tokens, heads, width / heads]), [0, 2, 1, 3]);
        const [q, k, v] = tf.split(tf.matMul(h as tf.Tensor2D, query as tf.Tensor2D), 3, -1).map(split) as [
          tf.Tensor,
          tf.Tensor,
          tf.Tensor,
        ];
        const mask = tf.reshape(tf.tensor1d([0, 0, 0, 0, 0, 0, 0, -1e4, -1e4, 0]), [batch, 1, 1, tokens]);
        const attention = tf.matMul(tf.softmax(tf.add(tf.div(tf.matMul(q, k, false, true), 2), mask)), v);
        const joined = tf.matMul(tf.reshape(tf.transpose(attention, [0, 2, 1, 3]), [batch * tokens, width]), mix as tf.Tensor2D);
        const g = tf.matMul(tf.add(x, joined) as tf.Tensor2D, grow as tf.Tensor2D);
        const gelu = tf.mul(tf.mul(g, 0.5), tf.add(1, tf.erf(tf.div(g, Math.SQRT2))));
        const first = tf.slice(tf.reshape(tf.tanh(tf.concat([gelu, h], -1)), [batch, tokens, 16 + width]), [0, 0, 0], [batch, 1, -1]);
        return tf.neg(
          tf.sum(tf.mul(tf.logSoftmax(tf.reshape(first, [batch, 24])), tf.oneHot(tf.tensor1d([3, 7], 'int32'), 24))),
        ) as tf.Scalar;
      };
      const inputs = [
        normal([7, width], 1),
        normal([width, 3 * width], 2),
        normal([width, width], 3),
        normal([width, 16], 4),
        normal([width], 5),
      ];
      return tf.grads(layer as (...x: tf.Tensor[]) => tf.Scalar)(inputs);
    }, 1e-3));

  it('needs no FromPixels kernel for decoded pictures', () =>
    expectSameAsCpu(() =>
      tf.browser.fromPixels({ data: Uint8Array.from({ length: 24 }, (_, index) => index * 10), width: 3, height: 2 }, 3),
    ));
});

describe('installWasmKernels', () => {
  it('does nothing the second time', () => {
    const kernels = () => new Map(tf.getKernelsForBackend('wasm').map(({ kernelName, kernelFunc }) => [kernelName, kernelFunc]));
    const before = kernels();
    installWasmKernels();
    expect(kernels()).toEqual(before);
    expect(before.has('Conv2DBackpropFilter')).toBe(true);
  });

  it('leaves the other backends alone', () => {
    expect(tf.getKernel('Einsum', 'cpu').kernelFunc).not.toBe(tf.getKernel('Einsum', 'wasm').kernelFunc);
  });

  it('says what to import when the wasm backend is not loaded', async () => {
    vi.resetModules();
    vi.doMock('@tensorflow/tfjs-core', () => ({ ...tf, getKernelsForBackend: () => [] }));
    const { installWasmKernels: install } = await import('../../src/runtimes/wasm-kernels.js');
    expect(install).toThrow(/missing-package: .*import '@tensorflow\/tfjs-backend-wasm' first/s);
    vi.doUnmock('@tensorflow/tfjs-core');
  });
});
