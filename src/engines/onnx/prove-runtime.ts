import * as tf from '@tensorflow/tfjs-core';
import { createRandom } from '../../common/random.js';
import type { Missing } from '../../runtimes/runtime.js';
import type { HostTensor, TensorFunction } from '../engine.js';
import { OnnxFunction } from './onnx-function.js';
import type { LoadedOnnxRuntime, OnnxRuntime } from './onnx-runtime.js';
import { StateStore } from './state-store.js';

/** ONNX Runtime as it will be used. */
export interface ProvedRuntime {
  /** Runs what has state, and all else where there is no `graphics`. */
  readonly processor: LoadedOnnxRuntime;
  /** Runs what has no state. */
  readonly graphics: LoadedOnnxRuntime | undefined;
  /** What was found out, in words; empty where there was nothing to find out. */
  readonly words: string;
}

/** Differences that sums in another order make, as a share of the largest number. */
const tolerance = 1e-4;

/** Deterministic numbers between -1 and 1. */
function numbers(name: string, shape: readonly number[]): Float32Array {
  const random = createRandom(7).fork(name);
  return Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, () => random.next() * 2 - 1);
}

const vector = (name: string): tf.Tensor1D => tf.tensor1d(numbers(name, [8]));
const matrix = (name: string, shape: [number, number]): tf.Tensor2D => tf.tensor2d(numbers(name, shape), shape);
const filter = (name: string, shape: [number, number, number, number]): tf.Tensor4D => tf.tensor4d(numbers(name, shape), shape);

/** Pixels to features as networks for photos do it: convolutions, normalisation and pooling. */
function seen(pixels: tf.Tensor): tf.Tensor {
  const stem = tf.conv2d(pixels as tf.Tensor4D, filter('stem', [3, 3, 3, 8]), 2, 'same'); // [batch, 6, 6, 8]
  const normal = tf.batchNorm4d(stem, vector('mean'), tf.square<tf.Tensor1D>(vector('variance')), vector('shift'), vector('scale'), 1e-3);
  const deep = tf.depthwiseConv2d(tf.relu6(normal), filter('depthwise', [3, 3, 8, 1]), 1, 'same');
  const pooled = tf.maxPool(tf.pad<tf.Tensor4D>(deep, [[0, 0], [1, 1], [1, 1], [0, 0]]), 3, 2, 'valid'); // prettier-ignore
  return tf.mean(tf.relu(pooled), [1, 2]); // [batch, 8]
}

/** Token ids to features as networks for text do it: embeddings, attention, layer norm and GELU. */
function read(ids: tf.Tensor): tf.Tensor {
  const words = tf.gather(matrix('words', [16, 8]), ids); // [batch, 5, 8]
  const scores = tf.softmax(tf.mul(tf.matMul(words, words, false, true), Math.SQRT1_2));
  const mixed = tf.add(words, tf.matMul(scores, words));
  const { mean, variance } = tf.moments(mixed, 2, true);
  const normal = tf.mul(tf.sub(mixed, mean), tf.rsqrt(tf.add(variance, 1e-5)));
  const gelu = tf.mul(tf.mul(normal, 0.5), tf.add(tf.erf(tf.mul(normal, Math.SQRT1_2)), 1));
  return tf.reshape(tf.slice(tf.tanh(gelu), [0, 1, 0], [-1, 1, -1]), [-1, 8]); // [batch, 8]
}

/** A small function of the operators that networks are made of. */
const trial: TensorFunction = {
  name: 'trial',
  inputs: [
    { name: 'pixels', type: 'float32', shape: ['batch', 12, 12, 3] },
    { name: 'ids', type: 'int32', shape: ['batch', 5] },
  ],
  outputs: ['features'],
  compute: ([pixels, ids]) => [tf.concat([seen(pixels!), read(ids!)], 1)],
  constants: () => [],
};

const trialInputs: readonly HostTensor[] = [
  { type: 'float32', shape: [2, 12, 12, 3], values: numbers('pixels', [2, 12, 12, 3]) },
  { type: 'int32', shape: [2, 5], values: Int32Array.of(1, 15, 0, 7, 7, 3, 2, 9, 14, 1) },
];

async function runTrial(loaded: LoadedOnnxRuntime): Promise<Float32Array> {
  const compiled = new OnnxFunction(trial, loaded, new StateStore(loaded.runtime));
  try {
    const [result] = await compiled.run(trialInputs);
    return result!.values as Float32Array;
  } finally {
    compiled.dispose();
  }
}

/** Largest difference as a share of the largest number; NaN counts as different. */
function difference(received: Float32Array, expected: Float32Array): number {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const apart = expected.reduce((most, value, index) => Math.max(most, Math.abs(value - received[index]!)), 0);
  return apart / largest;
}

const reasonOf = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error))
    .split('\n')[0]!
    .replace(/^unsupported: /, '')
    .slice(0, 300);

/** What came of each copy of the package; it starts once. */
const proofs = new WeakMap<OnnxRuntime, Promise<Missing | undefined>>();

/** Does something once for a copy of the package: undefined is success. */
function once({ runtime }: LoadedOnnxRuntime, prove: () => Promise<Missing | undefined>): Promise<Missing | undefined> {
  const proof = proofs.get(runtime) ?? prove();
  proofs.set(runtime, proof);
  return proof;
}

/** A processor's ONNX Runtime computes what it was built for, if its files are there. */
const startIt = (loaded: LoadedOnnxRuntime): Promise<Missing | undefined> =>
  once(loaded, () =>
    runTrial(loaded).then(
      () => undefined,
      (error: unknown) => ({ missing: `${loaded.name} does not start: ${reasonOf(error)} (${loaded.fix})` }),
    ),
  );

/**
 * Graphics cards and their drivers are many: the same graph must give what the same package gives on the processor.
 */
const compareIt = (loaded: LoadedOnnxRuntime, processor: LoadedOnnxRuntime): Promise<Missing | undefined> =>
  once(loaded, async () => {
    try {
      const expected = await runTrial({ ...loaded, session: processor.session });
      const apart = difference(await runTrial(loaded), expected);
      return apart <= tolerance ? undefined : { missing: `a test came out wrong by ${apart.toPrecision(2)} of the largest number` };
    } catch (error) {
      return { missing: reasonOf(error) };
    }
  });

/** The one for the graphics card, or why there is none. */
async function provedGraphics(processor: LoadedOnnxRuntime): Promise<LoadedOnnxRuntime | Missing> {
  const graphics = await processor.graphics!();
  return 'missing' in graphics ? graphics : ((await compareIt(graphics, processor)) ?? graphics);
}

/**
 * Lets ONNX Runtime show what it can where that is not known: whether it starts, and whether a graphics card computes the right numbers.
 * A card that does so is used, and then nothing else is started before it is needed.
 * @param rival a backend of tfjs that there is already: without a card, ONNX Runtime must be faster
 */
export async function proveRuntime(processor: LoadedOnnxRuntime, rival?: string): Promise<ProvedRuntime | Missing> {
  const graphics = processor.graphics === undefined ? undefined : await provedGraphics(processor);
  if (graphics !== undefined && !('missing' in graphics)) return { processor, graphics, words: `what does not learn by ${graphics.name}` };
  const words = graphics === undefined ? '' : `not on WebGPU: ${graphics.missing}`;
  const isRivalled = rival !== undefined && processor.rivals?.includes(rival) === true;
  if (isRivalled) return { missing: [`${processor.name} is no faster on a processor`, words].filter(Boolean).join('; ') };
  const broken = processor.fix === undefined ? undefined : await startIt(processor);
  return broken ?? { processor, graphics: undefined, words };
}
