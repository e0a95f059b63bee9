/** What storing weights in fewer bytes costs, on networks that were trained. */
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { toOnnx } from '../../src/export-onnx.js';
import { readOnnx } from '../../src/graph/read-onnx.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import { runtime } from '../../src/runtimes/node.js';
import { tinyModel } from '../../src/testing/tiny-model.js';
import { onnxRuntime, runFile, type Feeds } from './run-export.js';

vi.stubEnv('TRANSFERKIT_ENGINE', 'eager'); // what is compared with is computed by tfjs
beforeAll(() => runtime.chooseBackend('wasm'));
afterAll(() => {
  vi.unstubAllEnvs();
});

const here = (await onnxRuntime()) !== undefined;
const inputNames = (bytes: Uint8Array): string[] => readOnnx(bytes).inputs.map(({ name }) => name);

/** The share of the features' length that they move by. */
const shift = (one: ArrayLike<number>, other: ArrayLike<number>): number => {
  const length = (values: readonly number[]): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0));
  return length(Array.from(one, (value, index) => value - other[index]!)) / length(Array.from(other));
};

const photos = ['rgb.jpg', 'rgb.png', 'large.jpg'].map((file) => `test/golden/inputs/${file}`);
const sentences = [
  'The train to the city was late again.',
  'A red rose in the garden.',
  'I would like my money back, please.',
  'Goals in the last minute won the match.',
];

describe.runIf(here)('stored in fewer bytes', () => {
  test.each([
    { network: 'image-small', raw: photos, int8: 0.03 },
    { network: 'text-small', raw: sentences, int8: 0.02 },
    { network: 'text-transformer', raw: sentences, int8: 0.03 },
  ])('$network', async ({ network, raw, int8 }) => {
    const base = await loadPretrained(network);
    const own = (await base.embed(raw as never)).values;
    const { processor } = base.parts;
    const encoded = await Promise.all(raw.map((one) => processor.encode(one)));
    const sizes: Record<string, number> = {};
    for (const [precision, limit] of [
      ['float32', 1e-5],
      ['float16', 1e-3],
      ['int8', int8],
    ] as const) {
      // prettier-ignore
      const bytes = await toOnnx(base, { precision });
      sizes[precision] = bytes.length;
      const features: number[] = [];
      for (const { arrays } of encoded) {
        const feeds = base.modality === 'image' ? pixelsOf(arrays[0]!) : tokensOf(arrays, inputNames(bytes));
        const outputs = await runFile(bytes, feeds);
        features.push(...(outputs['pooler_output'] ?? outputs['sentence_embedding'])!.values);
      }
      const moved = shift(features, own);
      console.log(`${network} ${precision}: ${bytes.length} bytes, features move by ${moved.toExponential(1)}`);
      expect(moved).toBeLessThan(limit);
    }
    expect(sizes['float16']! / sizes['float32']!).toBeLessThan(0.55);
    expect(sizes['int8']! / sizes['float32']!).toBeLessThan(0.35);
    base.dispose();
  });

  test('numbers that a float16 cannot hold stay', async () => {
    const model = await tinyModel(mobilenetV2, runtime);
    const [weight] = [...model.base.weights().values()].filter(({ shape }) => (shape as number[]).reduce((a, b) => a * b, 1) >= 256);
    const huge = tf.mul(weight!.read(), 1e6);
    weight!.write(huge);
    huge.dispose();
    const constants = [...readOnnx(await toOnnx(model, { precision: 'float16' })).initializers.values()];
    expect(constants.some(({ type }) => type === 'float16')).toBe(true);
    expect(constants.some(({ type, shape }) => type === 'float32' && shape.reduce((a, b) => a * b, 1) >= 256)).toBe(true);
    model.dispose();
  });
});

/** Encoded pixels with channels first. */
function pixelsOf({ shape, values }: { shape: readonly number[]; values: ArrayLike<number> }): Feeds {
  const [height, width] = shape as [number, number, number];
  const turned = Array.from(
    { length: values.length },
    (_, index) => values[(index % (height * width)) * 3 + Math.floor(index / (height * width))]!,
  );
  return { pixel_values: { values: turned, shape: [1, 3, height, width] } };
}

const tokensOf = (arrays: readonly { values: ArrayLike<number> }[], names: readonly string[]): Feeds =>
  Object.fromEntries(
    names.map((name, index) => [name, { values: Array.from(arrays[index]!.values), shape: [1, arrays[index]!.values.length] }]),
  );
