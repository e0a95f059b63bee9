import * as tf from '@tensorflow/tfjs-core';
import type { Random } from '../../../../src/common/random.js';
import { between, pick, type FreeName, type KernelCase, type Operand, type Sample } from '../kernel-case.js';

type Pad = 'same' | 'valid' | number | [[0, 0], [number, number], [number, number], [0, 0]];

interface Settings {
  readonly strides: number | [number, number];
  readonly pad: Pad;
  readonly dilations: number | [number, number];
  readonly rounding: 'floor' | 'ceil' | undefined;
}

/**
 * Strides, padding and dilation as layers may have them. One number as padding goes with squares: tfjs works both sides out by the
 * filter's height then.
 */
function anySettings(random: Random, { shape: [height, width] }: Operand, { dilated }: { dilated: boolean }): Settings {
  const dilations = dilated && random.next() < 0.4 ? pick<Settings['dilations']>(random, [2, [1, 2]]) : 1;
  const strides = dilations === 1 ? pick<Settings['strides']>(random, [1, 1, 2, 2, [2, 1], 3]) : 1;
  const explicit = (): Pad => [[0, 0], [random.integer(3), random.integer(3)], [random.integer(3), random.integer(3)], [0, 0]]; // prettier-ignore
  const square = height === width && typeof strides === 'number' && typeof dilations === 'number';
  const pad = pick<() => Pad>(random, [() => 'same', () => 'valid', explicit, square ? () => between(random, 0, 2) : explicit])();
  return { strides, pad, dilations, rounding: typeof pad === 'number' ? 'floor' : undefined };
}

const anyPicture = (random: Random, channels: number): Operand => ({
  shape: [pick<number | FreeName>(random, ['batch', 2]), between(random, 5, 8), between(random, 5, 8), channels],
});

const anyFilter = (random: Random, channels: number, outputs: number): Operand => {
  const [height, width] = pick(random, [[1, 1], [3, 3], [2, 3], [3, 3], [1, 3]] as const); // prettier-ignore
  return { shape: [height, width, channels, outputs] };
};

type Convolve = (x: tf.Tensor4D, filter: tf.Tensor4D, settings: Settings) => tf.Tensor4D;
const full: Convolve = (x, filter, { strides, pad, dilations, rounding }) =>
  tf.conv2d(x, filter, strides, pad, 'NHWC', dilations, rounding);
const byChannel: Convolve = (x, filter, { strides, pad, dilations, rounding }) =>
  tf.depthwiseConv2d(x, filter, strides, pad, 'NHWC', dilations, rounding);

const roundedUp = "wasm's convolutions do not know of sizes that are rounded up";

/** @param rounding how sizes are rounded that the strides do not divide */
const forwards = (kernel: string, convolve: Convolve, depthwise: boolean, rounding: 'floor' | 'ceil' = 'floor'): KernelCase => ({
  kernels: [kernel],
  ...(rounding === 'floor' ? {} : { about: 'rounded up', cpuOnly: roundedUp }),
  count: 40,
  sample(random): Sample {
    const channels = between(random, 1, 3);
    const outputs = depthwise ? pick(random, [1, 1, 2]) : between(random, 1, 4);
    const filter = rounding === 'floor' ? anyFilter(random, channels, outputs) : { shape: [3, 3, channels, outputs] };
    const settings: Settings =
      rounding === 'floor'
        ? anySettings(random, filter, { dilated: true })
        : { strides: between(random, 1, 3), pad: between(random, 0, 2), dilations: 1, rounding };
    return {
      operands: [anyPicture(random, channels), filter],
      settings,
      compute: (x, weights) => convolve(x as tf.Tensor4D, weights as tf.Tensor4D, settings),
    };
  },
});

/** Gradients by both operands; what is convolved serves as the upstream gradient, so that it differs from place to place. */
const backwards = (kernels: readonly string[], convolve: Convolve, depthwise: boolean): KernelCase => ({
  kernels,
  about: 'as gradients',
  count: 40,
  ...(depthwise ? { fixedOnly: 'there is a group for each picture and channel' } : {}),
  sample(random): Sample {
    const channels = between(random, 1, 3);
    const filter = anyFilter(random, channels, depthwise ? pick(random, [1, 1, 2]) : between(random, 1, 4));
    const settings = anySettings(random, filter, { dilated: false });
    return {
      operands: [anyPicture(random, channels), filter],
      settings,
      compute(x, weights) {
        const run = (image: tf.Tensor, by: tf.Tensor): tf.Tensor => convolve(image as tf.Tensor4D, by as tf.Tensor4D, settings);
        return tf.grads(run)([x!, weights!], run(x!, weights!));
      },
    };
  },
});

const activations = ['linear', 'relu', 'relu6', 'elu', 'sigmoid', 'leakyrelu', 'prelu'] as const;

/** The fused kernels, as tfjs's layers call them. */
const fused = (kernel: string, run: typeof tf.fused.conv2d | typeof tf.fused.depthwiseConv2d, depthwise: boolean): KernelCase => ({
  kernels: [kernel],
  count: 40,
  sample(random): Sample {
    const channels = between(random, 2, 3);
    const filter = anyFilter(random, channels, depthwise ? 1 : between(random, 2, 4));
    const outputs = depthwise ? channels : (filter.shape[3] as number);
    const settings = anySettings(random, filter, { dilated: false });
    const activation = pick(random, activations);
    const withBias = activation === 'prelu' || random.next() < 0.8;
    const slopes: Operand = { shape: pick<number[]>(random, [[outputs], [1, 1, outputs]]) };
    return {
      operands: [
        anyPicture(random, channels),
        filter,
        ...(withBias ? [{ shape: [outputs] }] : []),
        ...(activation === 'prelu' ? [slopes] : []),
      ],
      settings: { ...settings, activation },
      compute: (x, weights, bias, alpha) =>
        run({
          x: x as tf.Tensor4D,
          filter: weights as tf.Tensor4D,
          strides: settings.strides,
          pad: settings.pad as 'same',
          ...(settings.rounding === undefined ? {} : { dimRoundingMode: settings.rounding }),
          ...(bias === undefined ? {} : { bias }),
          activation,
          leakyreluAlpha: 0.3,
          ...(alpha === undefined ? {} : { preluActivationWeights: alpha }),
        }),
    };
  },
});

const turnedAround: KernelCase = {
  kernels: ['Conv2DBackpropInput'],
  about: 'as a transposed convolution',
  count: 20,
  sample(random): Sample {
    const [channels, outputs] = [between(random, 1, 3), between(random, 1, 3)];
    const [strides, side] = [between(random, 1, 2), between(random, 2, 4)];
    const same = random.next() < 0.5;
    const size = same ? side * strides : (side - 1) * strides + 3;
    return {
      operands: [{ shape: [pick<number | FreeName>(random, ['batch', 2]), side, side, channels] }, { shape: [3, 3, outputs, channels] }],
      compute: (x, filter) =>
        tf.conv2dTranspose(x as tf.Tensor4D, filter as tf.Tensor4D, [x!.shape[0]!, size, size, outputs], strides, same ? 'same' : 'valid'),
    };
  },
};

/** A layer that uses the gradient of a convolution as its operation has a gradient too. */
const turnedAroundBack: KernelCase = {
  ...turnedAround,
  kernels: ['Conv2D', 'Conv2DBackpropFilter'],
  about: 'of a transposed one',
  sample(random): Sample {
    const { operands, compute } = turnedAround.sample(random);
    return {
      operands,
      compute: (x, filter) =>
        tf.grads(compute as (a: tf.Tensor, b: tf.Tensor) => tf.Tensor)([x!, filter!], tf.square(compute(x!, filter!) as tf.Tensor)),
    };
  },
};

interface PoolSettings {
  readonly size: number | [number, number];
  readonly strides: number;
  readonly pad: Pad;
  readonly rounding: Settings['rounding'];
}

function anyPooling(random: Random): PoolSettings {
  const pad = pick<Pad>(random, ['same', 'valid', 1, [[0, 0], [1, 0], [0, 1], [0, 0]]]); // prettier-ignore
  return {
    size: pick<PoolSettings['size']>(random, pad === 1 ? [2, 3] : [2, 3, [2, 3]]),
    strides: between(random, 1, 2),
    pad,
    rounding: pad === 1 ? 'floor' : undefined,
  };
}

type Pool = (x: tf.Tensor4D, settings: PoolSettings) => tf.Tensor4D;
const maximum: Pool = (x, { size, strides, pad, rounding }) => tf.maxPool(x, size, strides, pad, rounding);
const average: Pool = (x, { size, strides, pad, rounding }) => tf.avgPool(x, size, strides, pad, rounding);

const pooling = (kernel: string, pool: Pool, rounding: 'floor' | 'ceil' = 'floor'): KernelCase => ({
  kernels: [kernel],
  ...(rounding === 'floor' ? {} : { about: 'rounded up', cpuOnly: roundedUp }),
  count: 30,
  sample(random): Sample {
    const any = anyPooling(random);
    const settings = rounding === 'floor' ? any : { size: 3, strides: any.strides, pad: 1, rounding };
    return { operands: [anyPicture(random, 2)], settings, compute: (x) => pool(x as tf.Tensor4D, settings) };
  },
});

/** Equal numbers in one window, as behind a rectifier, show where the gradient goes then. */
const poolingBack = (kernel: string, pool: Pool): KernelCase => ({
  kernels: [kernel],
  ...(kernel === 'MaxPoolGrad' ? { cpuOnly: 'wasm takes 0 for the greatest of negative numbers, and the last of equal ones' } : {}),
  count: 30,
  sample(random): Sample {
    const settings = anyPooling(random);
    const run = (x: tf.Tensor): tf.Tensor => pool(x as tf.Tensor4D, settings);
    return {
      operands: [{ ...anyPicture(random, 2), range: [-2, 2], whole: random.next() < 0.5 }],
      compute: (x) => tf.grad(run)(x!, tf.add(tf.square(run(x!)), run(x!))),
    };
  },
});

type Normalise = (x: tf.Tensor, channels: tf.Tensor[]) => tf.Tensor;
const normalisation = (about: string, run: (normalise: Normalise, all: tf.Tensor[]) => tf.Tensor | tf.Tensor[]): KernelCase => ({
  kernels: ['FusedBatchNorm'],
  about,
  count: 20,
  sample(random): Sample {
    const rank = between(random, 2, 4);
    const channels = between(random, 1, 4);
    const shape = [pick<number | FreeName>(random, ['batch', 3]), 4, 3].slice(0, rank - 1);
    // tfjs's gradient needs all that it may have
    const kind = about === '' ? random.integer(4) : 3;
    const normalise: Normalise = (x, [mean, variance, offset, scale]) =>
      tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, (kind & 1) === 1 ? (offset as tf.Tensor1D) : undefined, (kind & 2) === 2 ? (scale as tf.Tensor1D) : undefined, 1e-3); // prettier-ignore
    const vector = (range: readonly [number, number]): Operand => ({ shape: [channels], range });
    return {
      operands: [{ shape: [...shape, channels] }, vector([-1, 1]), vector([0.2, 2]), vector([-1, 1]), vector([0.5, 2])],
      compute: (...all) => run(normalise, all),
    };
  },
});

const resizing = (kernel: string, run: typeof tf.image.resizeBilinear): KernelCase => ({
  kernels: [kernel],
  count: 40,
  sample(random): Sample {
    const size: [number, number] = [between(random, 1, 12), between(random, 1, 12)];
    const rule = random.integer(3);
    return {
      operands: [anyPicture(random, 2)],
      compute: (x) => run(x as tf.Tensor4D, size, rule === 1, rule === 2),
    };
  },
});

/** Squares, one at a time: tfjs's cpu backend mixes up sides and pictures in these gradients. */
const resizingBack = (kernel: string, run: typeof tf.image.resizeBilinear): KernelCase => ({
  kernels: [kernel],
  count: 20,
  sample(random): Sample {
    const [from, to] = [between(random, 2, 5), between(random, 1, 9)];
    const aligned = random.next() < 0.5;
    const resize = (x: tf.Tensor): tf.Tensor => run(x as tf.Tensor4D, [to, to], aligned);
    return { operands: [{ shape: [1, from, from, 2] }], compute: (x) => tf.grad(resize)(x!, tf.square(resize(x!))) };
  },
});

export const convolutionCases: readonly KernelCase[] = [
  forwards('Conv2D', full, false),
  forwards('DepthwiseConv2dNative', byChannel, true),
  forwards('Conv2D', full, false, 'ceil'),
  forwards('DepthwiseConv2dNative', byChannel, true, 'ceil'),
  fused('FusedConv2D', tf.fused.conv2d, false),
  fused('FusedDepthwiseConv2D', tf.fused.depthwiseConv2d, true),
  backwards(['Conv2DBackpropInput', 'Conv2DBackpropFilter'], full, false),
  backwards(['DepthwiseConv2dNativeBackpropInput', 'DepthwiseConv2dNativeBackpropFilter'], byChannel, true),
  turnedAround,
  turnedAroundBack,
  normalisation('', (normalise, [x, ...channels]) => normalise(x!, channels)),
  normalisation('with its gradients', (normalise, all) => {
    const run = (...given: tf.Tensor[]): tf.Tensor => normalise(given[0]!, given.slice(1));
    return tf.grads(run)(all, tf.square(run(...all)));
  }),
];

export const picturesCases: readonly KernelCase[] = [
  pooling('MaxPool', maximum),
  pooling('AvgPool', average),
  pooling('MaxPool', maximum, 'ceil'),
  pooling('AvgPool', average, 'ceil'),
  poolingBack('MaxPoolGrad', maximum),
  poolingBack('AvgPoolGrad', average),
  resizing('ResizeBilinear', tf.image.resizeBilinear),
  resizing('ResizeNearestNeighbor', tf.image.resizeNearestNeighbor),
  resizingBack('ResizeBilinearGrad', tf.image.resizeBilinear),
  resizingBack('ResizeNearestNeighborGrad', tf.image.resizeNearestNeighbor),
];
