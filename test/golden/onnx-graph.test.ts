import { describe, expect, test } from 'vitest';
import { loadPretrained, type Base } from 'transferkit';
import type { FeatureName } from '../../src/backbones/backbone.js';
import type { JsonObject } from '../../src/common/json.js';
import type { EncodedArray } from '../../src/inputs/input.js';
import { encodeAll } from '../../src/inputs/encode.js';
import type { TensorValue } from '../../src/weights/tensor-value.js';
import { withOnnxRuntime } from '../engines/with-onnx-runtime.js';
import { goldenCase } from './image-golden.js';
import { textCase } from './text-golden.js';

const place = (name: string): string => `${import.meta.dirname}/onnx-graph/${name}`;

/** A feature of some inputs, one row each. */
async function rowsOf(base: Base, inputs: readonly unknown[], name: FeatureName): Promise<EncodedArray[]> {
  const rows = await base.features(await encodeAll(base.parts.processor, inputs), [name]);
  return rows.map(([row]) => row!);
}

/** The largest difference between rows and the rows of a tensor that begin alike: padding behind them is passed over. */
function difference(rows: readonly EncodedArray[], { shape, values }: TensorValue): number {
  expect(rows).toHaveLength(shape[0]!);
  const size = values.length / shape[0]!;
  return Math.max(...rows.flatMap((row, place) => Array.from(row.values, (value, index) => Math.abs(value - values[place * size + index]!))));
}

const load = (name: string, config: JsonObject = {}, engine: 'eager' | 'onnx' = 'onnx') => loadPretrained({ source: `${place(name)}/checkpoint`, config }, { engine });

withOnnxRuntime('text graphs', () => {
  describe.each(['eager', 'onnx'] as const)('beside the engine %s', (engine) => {
    test('give what ONNX Runtime gives in Python: every token, and their mean', async () => {
      const golden = await textCase(place('text'));
      using base = await load('text', {}, engine);
      expect(base.parts.family.name).toBe('onnx-text');
      expect(base.parts.config).toMatchObject({ file: 'onnx/model.onnx', output: 'last_hidden_state', kind: 'sequence', features: 32, oneByOne: false, maxLength: 20 });
      for (const [prefix, inputs] of [['', golden.texts], ['pair.', golden.pairs]] as const) {
        expect(difference(await rowsOf(base, inputs, 'sequence'), golden.expected[`${prefix}last_hidden_state`]!)).toBeLessThan(1e-4);
        expect(difference(await rowsOf(base, inputs, 'pooled'), golden.expected[`${prefix}mean`]!)).toBeLessThan(1e-4);
      }
    });
  });

  test('are pooled as the caller says', async () => {
    const golden = await textCase(place('text'));
    using base = await load('text', { pooling: 'cls' });
    expect(difference(await rowsOf(base, golden.texts, 'pooled'), golden.expected['cls']!)).toBeLessThan(1e-4);
  });

  test('of 16 bits take and give 16 bits', async () => {
    const golden = await textCase(place('text'));
    using base = await load('text', { variant: 'fp16' });
    // Two versions of ONNX Runtime fuse half-precision layers differently.
    expect(difference(await rowsOf(base, golden.texts, 'pooled'), golden.expected['fp16.mean']!)).toBeLessThan(5e-3);
  });

  test('that round activations by the batch are run text by text, so that neighbours change nothing', async () => {
    const golden = await textCase(place('text'));
    using base = await load('text', { variant: 'quantized' });
    expect(base.parts.config['oneByOne']).toBe(true);
    const texts = [...golden.texts, ...golden.texts];
    const together = await rowsOf(base, texts, 'pooled');
    const alone = (await Promise.all(texts.map((text) => rowsOf(base, [text], 'pooled')))).flat();
    expect(together).toEqual(alone);
    // A number on the edge between two roundings may fall to the other side in another version.
    expect(difference(together.slice(0, golden.texts.length), golden.expected['quantized.mean']!)).toBeLessThan(2e-2);
    expect(difference(together.slice(0, golden.texts.length), golden.expected['mean']!)).toBeGreaterThan(1e-3);
  });

  test('that pool by themselves are taken at their word; any tensor in them can be named', async () => {
    const golden = await textCase(place('sentence'));
    using base = await load('sentence');
    expect(base.parts.config).toMatchObject({ file: 'onnx/model.onnx', output: 'sentence_embedding', kind: 'pooled', features: 16, pooling: null });
    expect(difference(await rowsOf(base, golden.texts, 'pooled'), golden.expected['sentence_embedding']!)).toBeLessThan(1e-4);
    using tokens = await load('sentence', { output: 'token_embeddings' });
    expect(difference(await rowsOf(tokens, golden.texts, 'pooled'), golden.expected['mean']!)).toBeLessThan(1e-4);
  });
});

withOnnxRuntime('photo graphs', () => {
  test('give vectors, and maps with channels last', async () => {
    const golden = await goldenCase(place('image'));
    using vectors = await load('image');
    expect(vectors.parts.family.name).toBe('onnx-image');
    expect(vectors.parts.config).toMatchObject({ output: 'pooler_output', kind: 'pooled', features: 128, size: [null, null] });
    expect(difference(await rowsOf(vectors, golden.photos, 'pooled'), golden.outputs['pooled']!)).toBeLessThan(1e-4);
    using maps = await load('image', { output: 'last_hidden_state' });
    expect(difference(await rowsOf(maps, golden.photos, 'map'), golden.outputs['map']!)).toBeLessThan(1e-4);
    expect(difference(await rowsOf(maps, golden.photos, 'pooled'), golden.outputs['pooled']!)).toBeLessThan(1e-4);
  });

  test('that end in classes are cut in front of the classifier', async () => {
    const golden = await goldenCase(place('image'));
    const output = '/model/dropout/Identity_output_0';
    const classifier = { file: 'onnx/classifier.onnx' };
    const error: { message: string } = await load('image', classifier).catch((caught) => caught);
    const inner = /inner tensors that may serve: (.*)/.exec(error.message)![1]!.split(', ');
    expect(error).toMatchObject({ code: 'bad-config' });
    using base = await load('image', { ...classifier, output: inner.at(-1)! });
    expect(base.parts.config, output).toMatchObject({ kind: 'pooled', features: 128, size: [40, 40] });
    expect(difference(await rowsOf(base, golden.photos, 'pooled'), golden.outputs['pooled']!)).toBeLessThan(1e-4);
    // The classifier is left out, the rest has as many weights as the model without one.
    using model = await load('image');
    expect(base.parameters).toBe(model.parameters);
  });

  test.each(['cls', 'mean', 'max'])('of patches are pooled: %s', async (pooling) => {
    const golden = await goldenCase(place('vision-transformer'));
    using base = await load('vision-transformer', pooling === 'cls' ? {} : { pooling });
    expect(base.parts.config).toMatchObject({ kind: 'sequence', features: 24, pooling });
    expect(difference(await rowsOf(base, golden.photos, 'pooled'), golden.outputs[pooling]!)).toBeLessThan(1e-4);
  });
});
