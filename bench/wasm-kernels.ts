/**
 * What the wasm training kernels gain over tfjs's own, in one run: `npx tsx bench/wasm-kernels.ts [--markdown file]`.
 * tfjs's kernels are measured first, then ours are installed and the same functions run again.
 */
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-layers'; // registers the gradients
import '@tensorflow/tfjs-backend-cpu';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import { dirname, join, sep } from 'node:path';
import { installWasmKernels } from '../src/runtimes/wasm-kernels.js';

type Step = () => tf.Tensor[];

interface Case {
  readonly name: string;
  /** Floating-point operations of one run, where that says something. */
  readonly work?: number;
  readonly make: () => Step;
  /** What it is compared with: tfjs's wasm kernels, or the cpu backend where wasm lacks a kernel. */
  readonly against?: 'cpu';
}

/** The shortest of several runs in milliseconds: the one least disturbed by other programs. */
function measure(step: Step, runs: number): number {
  const times = Array.from({ length: runs }, () => {
    const start = performance.now();
    tf.tidy(() => void step()); // both backends compute at once, so nothing needs to be read
    return performance.now() - start;
  });
  return Math.min(...times);
}

const random = (...shape: number[]): tf.Tensor => tf.randomNormal(shape, 0, 0.05, 'float32', 7);

/** A product and the shapes of its sides. */
function product(name: string, a: number[], b: number[], transposeA = false, transposeB = false): Case {
  const [rows, shared] = transposeA ? [a.at(-1)!, a.at(-2)!] : [a.at(-2)!, a.at(-1)!];
  const batch = a.slice(0, -2).reduce((count, length) => count * length, 1);
  const work = 2 * batch * rows * shared * (transposeB ? b.at(-2)! : b.at(-1)!);
  return {
    name: `${name}: [${a.join(', ')}]${transposeA ? '^T' : ''} x [${b.join(', ')}]${transposeB ? '^T' : ''}`,
    work,
    make: () => {
      const [left, right] = [random(...a), random(...b)];
      return () => [tf.matMul(left, right, transposeA, transposeB)];
    },
  };
}

const layerNorm = (x: tf.Tensor): tf.Tensor => {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-12)));
};

const gelu = (x: tf.Tensor): tf.Tensor => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

const [BATCH, TOKENS, WIDTH, HEADS] = [8, 64, 384, 12];

function attention(x: tf.Tensor, [query, key, value, mix]: readonly tf.Tensor[]): tf.Tensor {
  const heads = (weights: tf.Tensor) =>
    tf.transpose(tf.reshape(tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D), [BATCH, TOKENS, HEADS, WIDTH / HEADS]), [0, 2, 1, 3]);
  const scores = tf.mul(tf.matMul(heads(query!), heads(key!), false, true), Math.sqrt(HEADS / WIDTH));
  const joined = tf.transpose(tf.matMul(tf.softmax(scores), heads(value!)), [0, 2, 1, 3]);
  return tf.matMul(tf.reshape(joined, [BATCH * TOKENS, WIDTH]) as tf.Tensor2D, mix as tf.Tensor2D);
}

const biased = (x: tf.Tensor, weights: tf.Tensor, bias: tf.Tensor): tf.Tensor =>
  tf.add(tf.matMul(x as tf.Tensor2D, weights as tf.Tensor2D), bias);

/** Layer after layer: four attention matrices, then grow and shrink with their biases. */
function transformerStep(): Step {
  const layer = () => [
    ...Array.from({ length: 4 }, () => random(WIDTH, WIDTH)),
    random(WIDTH, 4 * WIDTH),
    random(4 * WIDTH),
    random(4 * WIDTH, WIDTH),
    random(WIDTH),
  ];
  const weights = Array.from({ length: 6 }, layer).flat();
  const [input, classes] = [random(BATCH * TOKENS, WIDTH), random(WIDTH, 4)];
  const loss = (...all: tf.Tensor[]) => {
    let x = input;
    for (let index = 0; index < 6; index++) {
      const [q, k, v, mix, grow, growBias, shrink, shrinkBias] = all.slice(8 * index) as [
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
        tf.Tensor,
      ];
      x = layerNorm(tf.add(x, attention(x, [q, k, v, mix])));
      x = layerNorm(tf.add(x, biased(gelu(biased(x, grow, growBias)), shrink, shrinkBias)));
    }
    const pooled = tf.mean(tf.reshape(x, [BATCH, TOKENS, WIDTH]), 1);
    return tf.neg(tf.mean(tf.logSoftmax(tf.matMul(pooled as tf.Tensor2D, classes as tf.Tensor2D)))) as tf.Scalar;
  };
  return () => tf.grads(loss)(weights);
}

/** MobileNetV2: [expansion, channels, repeats, stride]. */
const BLOCKS = [[1, 16, 1, 1], [6, 24, 2, 2], [6, 32, 3, 2], [6, 64, 4, 2], [6, 96, 3, 1], [6, 160, 3, 2], [6, 320, 1, 1]] as const; // prettier-ignore

/** Batch normalisation in training mode. */
function normalise(x: tf.Tensor): tf.Tensor {
  const { mean, variance } = tf.moments(x, [0, 1, 2]);
  const channels = x.shape.at(-1)!;
  return tf.batchNorm(
    x as tf.Tensor4D,
    mean as tf.Tensor1D,
    variance as tf.Tensor1D,
    tf.zeros([channels]) as tf.Tensor1D,
    tf.ones([channels]) as tf.Tensor1D,
    1e-3,
  );
}

/** Builds the weights on the first run and reads them in the same order on the next ones. */
function mobileNet(take: (...shape: number[]) => tf.Tensor, image: tf.Tensor): tf.Tensor {
  const conv = (x: tf.Tensor, size: number, channels: number, stride: number) =>
    normalise(tf.conv2d(x as tf.Tensor4D, take(size, size, x.shape.at(-1)!, channels) as tf.Tensor4D, stride, 'same'));
  const depthwise = (x: tf.Tensor, stride: number) =>
    normalise(tf.depthwiseConv2d(x as tf.Tensor4D, take(3, 3, x.shape.at(-1)!, 1) as tf.Tensor4D, stride, 'same'));
  let x = tf.relu6(conv(image, 3, 32, 2));
  for (const [expansion, channels, repeats, first] of BLOCKS) {
    for (let index = 0; index < repeats; index++) {
      const wide = expansion === 1 ? x : tf.relu6(conv(x, 1, x.shape.at(-1)! * expansion, 1));
      const narrow = conv(tf.relu6(depthwise(wide, index === 0 ? first : 1)), 1, channels, 1);
      x = index === 0 ? narrow : tf.add(x, narrow);
    }
  }
  const pooled = tf.mean(tf.relu6(conv(x, 1, 1280, 1)), [1, 2]) as tf.Tensor2D;
  return tf.neg(tf.mean(tf.logSoftmax(tf.matMul(pooled, take(1280, 5) as tf.Tensor2D))));
}

function mobileNetStep(batch: number, side: number): Step {
  const image = random(batch, side, side, 3);
  const weights: tf.Tensor[] = [];
  mobileNet((...shape) => (weights.push(random(...shape)), weights.at(-1)!), image);
  return () =>
    tf.grads((...all: tf.Tensor[]) => {
      let next = 0;
      return mobileNet(() => all[next++]!, image) as tf.Scalar;
    })(weights);
}

/** The gradient of a convolution by its input. */
function inputGradient(name: string, x: number[], filter: number[], stride: number): Case {
  return {
    name,
    make: () => {
      const [input, weights] = [random(...x), random(...filter) as tf.Tensor4D];
      const dy = tf.conv2d(input as tf.Tensor4D, weights, stride, 'same');
      return () => [tf.grad((one: tf.Tensor) => tf.conv2d(one as tf.Tensor4D, weights, stride, 'same'))(input, dy)];
    },
  };
}

const CASES: readonly Case[] = [
  product('plain, weights that stay', [512, 384], [384, 384]),
  product('dX, right transposed', [512, 384], [384, 384], false, true),
  product('dW, left transposed', [512, 384], [512, 384], true),
  product('plain, grow', [512, 384], [384, 1536]),
  product('dX of grow', [512, 1536], [384, 1536], false, true),
  product('dW of grow', [512, 384], [512, 1536], true),
  product('dX of shrink', [512, 384], [1536, 384], false, true),
  product('dW of shrink', [512, 1536], [512, 384], true),
  product('attention scores', [96, 64, 32], [96, 64, 32], false, true),
  product('attention values', [96, 64, 64], [96, 64, 32]),
  product('attention, dV', [96, 64, 64], [96, 64, 32], true),
  product('attention scores, 128 tokens', [96, 128, 32], [96, 128, 32], false, true),
  inputGradient('conv 1x1 + dX [8, 28, 28, 192] -> 32', [8, 28, 28, 192], [1, 1, 192, 32], 1),
  inputGradient('conv 3x3 + dX [8, 28, 28, 64] -> 64', [8, 28, 28, 64], [3, 3, 64, 64], 1),
  inputGradient('conv 3x3 stride 2 + dX [8, 56, 56, 64] -> 128', [8, 56, 56, 64], [3, 3, 64, 128], 2),
  { name: 'transformer step, 6 layers x 384, 8 x 64 tokens', make: transformerStep },
  { name: 'MobileNetV2 step, all layers, 2 x 224 x 224', make: () => mobileNetStep(2, 224), against: 'cpu' },
];

/** One case on the backend that is active; its tensors go afterwards. */
function runCase({ make }: Case, runs: number): number {
  tf.engine().startScope();
  try {
    return measure(make(), runs);
  } finally {
    tf.engine().endScope();
  }
}

const rate = (work: number | undefined, milliseconds: number): string => (work === undefined ? '' : (work / milliseconds / 1e6).toFixed(1));

async function main(): Promise<string> {
  setWasmPaths(join(dirname(createRequire(import.meta.url).resolve('@tensorflow/tfjs-backend-wasm')), '..', 'wasm-out') + sep);
  const before = new Map<Case, number>();
  for (const one of CASES) {
    await tf.setBackend(one.against ?? 'wasm');
    before.set(one, runCase(one, one.against === 'cpu' ? 1 : one.work === undefined ? 3 : 10));
  }
  installWasmKernels();
  await tf.setBackend('wasm');
  const lines = CASES.map((one) => {
    const [old, now] = [before.get(one)!, runCase(one, one.work === undefined ? 6 : 30)];
    const cells = [
      one.name,
      one.against ?? 'tfjs wasm',
      old.toFixed(2),
      now.toFixed(2),
      `${(old / now).toFixed(1)}x`,
      rate(one.work, old),
      rate(one.work, now),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const head = [
    '| step | against | before, ms | now, ms | ratio | before, GFLOP/s | now |',
    '| --- | --- | ---: | ---: | ---: | ---: | ---: |',
  ];
  return [`${cpus()[0]?.model ?? 'unknown processor'}, one thread, Node ${process.versions.node}`, '', ...head, ...lines, ''].join('\n');
}

const report = await main();
console.log(report);
const target = process.argv.indexOf('--markdown');
if (target > 0) writeFileSync(process.argv[target + 1]!, report);
