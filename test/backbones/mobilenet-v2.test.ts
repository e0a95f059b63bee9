import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { mobilenetV2, mobilenetV2Config, type MobileNetV2Config } from '../../src/backbones/mobilenet-v2.js';
import type { ImageRecipe } from '../../src/inputs/image.js';
import type { JsonObject } from '../../src/common/json.js';
import { namedWeights } from '../../src/layers/named-weights.js';
import { fillFrom, openGolden } from '../golden/image-golden.js';
import { checkpointOf } from './checkpoint-of.js';

beforeAll(() => tf.setBackend('cpu'));

const parse = (config: JsonObject, shapes?: Record<string, number[]>): MobileNetV2Config =>
  mobilenetV2.parse(checkpointOf(config, shapes)) as MobileNetV2Config;
const inputOf = (config: JsonObject, files: Record<string, string> = {}, shapes = {}) =>
  mobilenetV2.input(mobilenetV2Config({ width: 1 }), checkpointOf(config, shapes, files)) as Promise<ImageRecipe>;
const huggingFace = { model_type: 'mobilenet_v2' };

/** Shapes of a checkpoint as the table of a layout names them. */
function shapesOf(layout: keyof typeof mobilenetV2.weights, config: MobileNetV2Config): Record<string, number[]> {
  const { model } = mobilenetV2.build(config);
  const weights = namedWeights(model);
  const turned = (shape: number[], axes: string): number[] => (axes === 'conv2d' ? [shape[3]!, shape[2]!, shape[0]!, shape[1]!] : shape);
  const shapes = Object.fromEntries(
    mobilenetV2.weights[layout]!.rows(config, new Set()).map(([ours, theirs, axes]) => [
      theirs,
      turned(weights.get(ours)!.shape as number[], axes),
    ]),
  );
  model.dispose();
  return shapes;
}

describe('the network', () => {
  test('has the groups and the parameters of the published one', () => {
    const { model, groups, features } = mobilenetV2.build(mobilenetV2Config({ width: 1 }));
    expect(groups.map(({ name }) => name)).toEqual(['stem', ...Array.from({ length: 16 }, (_, index) => `block-${index + 1}`), 'top']);
    expect(model.countParams()).toBe(2_257_984);
    expect(features.pooled.shape).toEqual([null, 1280]);
    expect(features.map!.shape).toEqual([null, null, null, 1280]);
    model.dispose();
  });

  test('starts with the same weights every time', () => {
    const kernels = [1, 2].map(() => {
      const { model } = mobilenetV2.build(mobilenetV2.tiny.config);
      const values = namedWeights(model).get('block-1/expand/kernel')!.read().dataSync();
      model.dispose();
      return values;
    });
    expect(kernels[0]).toEqual(kernels[1]);
  });

  test('refuses channels that no memory holds', () => {
    const config = { ...mobilenetV2Config({ width: 1 }), topChannels: 1e7 };
    expect(() => mobilenetV2.build(config)).toThrow(
      expect.objectContaining({ code: 'bad-config', message: expect.stringContaining('at most 200000000 weights') }),
    );
  });
});

describe('configurations of transformers', () => {
  test.each([
    [0.35, 16, 8, 1280, 112],
    [1, 32, 16, 1280, 320],
    [1.4, 48, 24, 1792, 448],
  ])('width %d', (width, stemChannels, stemOutput, topChannels, last) => {
    const parsed = parse({ ...huggingFace, depth_multiplier: width });
    expect(parsed).toMatchObject({ stemChannels, stemOutput, topChannels, padding: 'tf', epsilon: 1e-3, stemResidual: false });
    expect(parsed.blocks.at(-1)!.channels).toBe(last);
  });

  test('an output stride below 32 spreads kernels instead', () => {
    const strides = parse({ ...huggingFace, output_stride: 8 }).blocks.map(({ stride, dilation = 1 }) => `${stride}/${dilation}`);
    expect(strides.join(' ')).toBe('2/1 1/1 2/1 1/1 1/1 1/1 1/2 1/2 1/2 1/2 1/2 1/2 1/2 1/4 1/4 1/4');
  });

  test.each<[string, JsonObject, string]>([
    ['another activation', { hidden_act: 'relu' }, '"hidden_act" is not supported'],
    ['grey photos', { num_channels: 1 }, '"num_channels"'],
    ['an unknown field', { use_squeeze: true }, '"use_squeeze"'],
    ['a strange stride', { output_stride: 12 }, '"output_stride"'],
    ['a huge width', { depth_multiplier: 1e9 }, '"depth_multiplier"'],
    ['a text for a number', { layer_norm_eps: 'small' }, '"layer_norm_eps"'],
    ['a text for a boolean', { tf_padding: 'yes' }, '"tf_padding"'],
  ])('%s is bad-config', (_, field, message) => {
    expect(() => parse({ ...huggingFace, ...field })).toThrow(
      expect.objectContaining({ code: 'bad-config', message: expect.stringContaining(message) }),
    );
  });

  test('tensors without a configuration ask for it', () => {
    expect(() => parse({}, { 'conv_stem.first_conv.convolution.weight': [32, 3, 3, 3] })).toThrow(
      /^bad-config: .*config\.json with model_type/s,
    );
  });
});

describe('configurations read from tensors', () => {
  test.each(['torchvision', 'keras'] as const)('%s', (layout) => {
    const config = mobilenetV2Config({ width: 0.5 });
    const parsed = parse({}, shapesOf(layout, config));
    expect(parsed.blocks).toEqual(config.blocks);
    expect(parsed).toMatchObject({
      stemChannels: 16,
      topChannels: 1280,
      padding: layout === 'keras' ? 'tf' : 'torch',
      epsilon: layout === 'keras' ? 1e-3 : 1e-5,
    });
  });

  test('timm with deeper stages', () => {
    const standard = mobilenetV2Config({ width: 0.5 });
    const config = {
      ...standard,
      stages: [1, 3, 3, 4, 3, 3, 1],
      blocks: [...standard.blocks.slice(0, 2), standard.blocks[1]!, ...standard.blocks.slice(2)],
    };
    expect(parse({ architecture: 'mobilenetv2_110d', num_features: 1280 }, shapesOf('timm', config)).stages).toEqual(config.stages);
  });

  test('timm settings that would rebuild the network are bad-config', () => {
    const shapes = shapesOf('timm', mobilenetV2Config({ width: 0.5 }));
    const timm = { architecture: 'mobilenetv2_050' };
    expect(() => parse({ ...timm, model_args: { act_layer: 'silu' } }, shapes)).toThrow('"model_args.act_layer" is not supported');
    expect(() => parse({ ...timm, global_pool: 'max' }, shapes)).toThrow('"global_pool"');
    expect(() => parse({ ...timm, num_features: 7 }, shapes)).toThrow('"num_features"');
  });

  test('a missing tensor is bad-config by its name', () => {
    const shapes = shapesOf('torchvision', mobilenetV2Config({ width: 0.5 }));
    delete shapes['features.18.0.weight'];
    expect(() => parse({}, shapes)).toThrow(
      expect.objectContaining({ code: 'bad-config', message: expect.stringContaining('"features.18.0.weight"') }),
    );
  });

  test('a checkpoint of another family is bad-config', () => {
    expect(() => parse({ model_type: 'resnet' })).toThrow(
      expect.objectContaining({ code: 'bad-config', message: expect.stringContaining('model_type "resnet"') }),
    );
    expect(mobilenetV2.matches(checkpointOf({ architecture: 'resnet18' }))).toBe(false);
  });

  test('the layer names of MobileNetV2 on another topology are bad-config', () => {
    const layers = [
      { class_name: 'InputLayer', name: 'i', config: { batch_input_shape: [null, 8, 8, 3] } },
      { class_name: 'Conv2D', name: 'Conv1', config: { strides: [1, 1] } },
    ];
    const modelTopology = { class_name: 'Sequential', config: { name: 's', layers } };
    expect(() => parse({ modelTopology }, shapesOf('keras', mobilenetV2Config({ width: 0.5 })))).toThrow(
      /"Conv1" with strides 2.*keras-graph/s,
    );
  });
});

describe('the input recipe', () => {
  test('is that of preprocessor_config.json where there is one', async () => {
    const file = JSON.stringify({
      do_resize: true,
      size: { shortest_edge: 100 },
      do_center_crop: true,
      crop_size: { height: 96, width: 96 },
      image_mean: [0.5, 0.5, 0.5],
      image_std: [0.5, 0.5, 0.5],
    });
    expect(await inputOf(huggingFace, { 'preprocessor_config.json': file })).toMatchObject({ resize: { size: 100 }, crop: { height: 96 } });
  });

  test('is the habit of the ecosystem elsewhere', async () => {
    expect(await inputOf(huggingFace)).toMatchObject({
      resize: { size: 256 },
      crop: { height: 224, rounding: 'floor' },
      mean: [0.5, 0.5, 0.5],
    });
    expect(await inputOf({ architecture: 'mobilenetv2_100', pretrained_cfg: { input_size: [3, 160, 160], crop_pct: 0.8 } })).toMatchObject({
      resize: { size: 200 },
      crop: { height: 160 },
    });
    expect(await inputOf({}, {}, shapesOf('torchvision', mobilenetV2.tiny.config))).toMatchObject({
      resize: { size: 256 },
      mean: [0.485, 0.456, 0.406],
    });
    expect(await inputOf({}, {}, { 'bn_Conv1/gamma': [8], 'expanded_conv_project/kernel': [8], 'Conv_1/kernel': [8] })).toMatchObject({
      resize: { mode: 'stretch', height: 224 },
      scale: 1 / 127.5,
    });
  });
});

const teachable = fileURLToPath(new URL('../../../shared/data/weights/mobilenet-v2-0.35-224.teachable-machine', import.meta.url));
if (!existsSync(teachable)) console.warn(`skipped: no real Teachable Machine export at ${teachable}`);

test.skipIf(!existsSync(teachable))('a real Teachable Machine export loads without its head', async () => {
  const checkpoint = await openGolden(teachable);
  const { family, recipe, built } = await fillFrom(checkpoint);
  expect(family.name).toBe('mobilenet-v2');
  expect(built.model.countParams()).toBe(410_208);
  expect(built.features.pooled.shape).toEqual([null, 1280]);
  expect(recipe).toMatchObject({ resize: { mode: 'stretch', height: 224, width: 224 }, scale: 1 / 127.5, mean: [1, 1, 1] });
  built.model.dispose();
  await checkpoint.close();
});
