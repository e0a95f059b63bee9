import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-cpu';
import { beforeAll, describe, expect, test } from 'vitest';
import { kerasGraph, type KerasGraphConfig } from '../../src/backbones/keras-graph.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import type { JsonObject, JsonValue } from '../../src/common/json.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { fillFrom, openGolden } from '../golden/image-golden.js';
import { checkpointOf } from './checkpoint-of.js';

beforeAll(() => tf.setBackend('cpu'));

const layer = (class_name: string, name: string, config: JsonObject = {}, from: readonly string[] = []): JsonObject => ({
  class_name,
  name,
  config: { name, ...config },
  inbound_nodes: from.length === 0 ? [] : [from.map((source) => [source, 0, 0, {}])],
});
const photo = layer('InputLayer', 'photo', { batch_input_shape: [null, 16, 16, 3] });
const convolution = (name: string, from: string, more: JsonObject = {}): JsonObject =>
  layer('Conv2D', name, { filters: 4, kernel_size: [3, 3], padding: 'same', ...more }, [from]);
const head = (from: string): JsonObject[] => [
  layer('Flatten', 'flatten', {}, [from]),
  layer('Dense', 'hidden', { units: 5, activation: 'relu' }, ['flatten']),
  layer('Dense', 'classes', { units: 2, activation: 'softmax' }, ['hidden']),
];

const functional = (layers: readonly JsonObject[], output = layers.at(-1)!.name as string): JsonObject => ({
  modelTopology: {
    keras_version: '2.15.0',
    model_config: {
      class_name: 'Functional',
      config: { name: 'm', layers, input_layers: [['photo', 0, 0]], output_layers: [[output, 0, 0]] },
    },
  },
});
const sequential = (...layers: JsonValue[]): JsonObject => ({ modelTopology: { class_name: 'Sequential', config: layers } });
const parse = async (config: JsonObject, files: Record<string, string> = {}): Promise<KerasGraphConfig> =>
  kerasGraph.parse(checkpointOf(config, {}, files));
const build = async (config: JsonObject, over: Partial<KerasGraphConfig> = {}) => kerasGraph.build({ ...(await parse(config)), ...over });
const cutOf = async (config: JsonObject): Promise<string> => {
  const { model, features } = await build(config);
  const name = (features.map ?? features.pooled).sourceLayer.name;
  model.dispose();
  return name;
};

describe('where the features end', () => {
  test.each<[string, JsonObject, string]>([
    ['in front of Dense layers', functional([photo, convolution('a', 'photo'), ...head('a')]), 'a'],
    ['at the map of a network without a head', functional([photo, convolution('a', 'photo')]), 'a'],
    ['in front of global pooling', functional([photo, convolution('a', 'photo'), layer('GlobalAveragePooling2D', 'pool', {}, ['a'])]), 'a'],
    [
      'in front of a convolution that classifies',
      functional([
        photo,
        convolution('a', 'photo', { activation: 'relu' }),
        convolution('b', 'a', { kernel_size: [1, 1] }),
        layer('GlobalAveragePooling2D', 'pool', {}, ['b']),
        layer('Softmax', 'softmax', {}, ['pool']),
      ]),
      'a',
    ],
  ])('%s', async (_, config, name) => expect(await cutOf(config)).toBe(name));

  test('at the named layer, as map or as vector', async () => {
    const config = functional([photo, convolution('a', 'photo'), convolution('b', 'a'), ...head('b')]);
    expect((await build(config, { features: 'a' })).groups.map(({ name }) => name)).toEqual(['a']);
    const { features } = await build(config, { features: 'hidden' });
    expect([features.pooled.shape, features.map]).toEqual([[null, 5], undefined]);
  });

  test('an unknown layer names the nearest', async () => {
    await expect(build(functional([photo, convolution('conv_a', 'photo')]), { features: 'conv_b' })).rejects.toMatchObject({
      code: 'unknown-name',
      message: expect.stringContaining('Did you mean "conv_a"'),
    });
  });

  test('two outputs, only a head, or an output that is no feature ask for a name', async () => {
    const two = functional([photo, convolution('a', 'photo'), convolution('b', 'photo')]);
    const both = { ...(await parse(two)), outputs: [[1, 0], [2, 0]] as const }; // prettier-ignore
    expect(() => kerasGraph.build(both)).toThrow(/^bad-config: .*2 outputs \(a, b\)/s);
    await expect(build(functional([photo, ...head('photo')]))).rejects.toThrow(/^bad-config: .*looks like a head/s);
    const rows = functional([photo, convolution('a', 'photo'), layer('Reshape', 'rows', { target_shape: [16, 64] }, ['a'])]);
    await expect(build(rows, { features: 'rows' })).rejects.toThrow(/^bad-config: .*"rows" cannot be features/s);
  });
});

describe('groups', () => {
  test('are blocks between the places that all of the flow passes through', async () => {
    const layers = [
      photo,
      convolution('a', 'photo'),
      layer('BatchNormalization', 'a_bn', {}, ['a']),
      convolution('b', 'a_bn'),
      layer('ReLU', 'b_relu', {}, ['b']),
      convolution('c', 'b_relu'),
      layer('Add', 'add', {}, ['a_bn', 'c']),
      convolution('d', 'add'),
    ];
    const { groups } = await build(functional(layers));
    expect(groups.map(({ name, layers: members }) => `${name}: ${members.map((member) => member.name).join(' ')}`)).toEqual([
      'a: a a_bn',
      'b: b b_relu c add',
      'd: d',
    ]);
  });

  test('a shared layer keeps its uses together', async () => {
    const shared = { ...convolution('shared', 'a'), inbound_nodes: [[['a', 0, 0, {}]], [['middle', 0, 0, {}]]] };
    const layers = [photo, convolution('a', 'photo'), shared, convolution('middle', 'shared')];
    const config = { name: 'm', layers, input_layers: [['photo', 0, 0]], output_layers: [['shared', 1, 0]] };
    const { groups } = await build({ modelTopology: { class_name: 'Model', config } });
    expect(groups.map(({ name }) => name)).toEqual(['a', 'shared']);
  });
});

describe('layers that cannot be computed are unsupported, by name and class', () => {
  test.each<[string, JsonObject, string]>([
    ['a Lambda', layer('Lambda', 'odd', {}, ['photo']), 'layer "odd" of class Lambda'],
    ['a class that nobody has', layer('Mystery', 'odd', {}, ['photo']), 'class Mystery'],
    ['a class named like a property', layer('constructor', 'odd', {}, ['photo']), 'class constructor'],
    ['grouped convolution', convolution('odd', 'photo', { groups: 3 }), 'setting groups 3'],
    ['channels first', convolution('odd', 'photo', { data_format: 'channels_first' }), 'setting data_format'],
    ['an unknown activation', convolution('odd', 'photo', { activation: 'toString' }), 'setting activation'],
    ['normalisation of another axis', layer('BatchNormalization', 'odd', { axis: 1 }, ['photo']), 'setting axis'],
    [
      'a spread depthwise kernel',
      layer('DepthwiseConv2D', 'odd', { kernel_size: [3, 3], dilation_rate: [2, 2] }, ['photo']),
      'setting dilation_rate',
    ],
    ['a scale a channel', layer('Rescaling', 'odd', { scale: [1, 2, 3] }, ['photo']), 'setting scale'],
    ['a rectifier with a threshold', layer('ReLU', 'odd', { threshold: 1 }, ['photo']), 'threshold'],
    ['settings that make no sense', layer('Conv2D', 'odd', { filters: -1, kernel_size: [3, 3] }, ['photo']), 'TensorFlow.js refuses'],
    ['a size that no memory holds', layer('Conv2D', 'odd', { filters: 1e12, kernel_size: [3, 3] }, ['photo']), 'more than the cap'],
    ['shapes that do not fit', layer('Add', 'odd', {}, ['photo']), 'does not fit'],
  ])('%s', async (_, odd, message) => {
    await expect(build(functional([photo, odd]), { features: 'odd' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining(message),
    });
  });

  test('a call with more than tensors', async () => {
    const odd = { ...layer('Add', 'odd'), inbound_nodes: [[['photo', 0, 0, { scale: 2 }]]] };
    await expect(parse(functional([photo, odd]))).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('called with scale'),
    });
  });

  test('an output that a layer does not have', async () => {
    const odd = { ...layer('ReLU', 'odd'), inbound_nodes: [[['a', 0, 3, {}]]] };
    await expect(build(functional([photo, convolution('a', 'photo'), odd]), { features: 'odd' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('output that another layer does not have'),
    });
  });

  test("a layer behind the cut is nobody's business", async () => {
    const { groups } = await build(functional([photo, convolution('a', 'photo'), layer('Lambda', 'odd', {}, ['a'])]), { features: 'a' });
    expect(groups).toHaveLength(1);
  });

  test('networks for other things than photos', async () => {
    const words = functional([
      layer('InputLayer', 'photo', { batch_input_shape: [null, 40] }),
      layer('Dense', 'a', { units: 2 }, ['photo']),
    ]);
    await expect(build(words, { features: 'a' })).rejects.toMatchObject({
      code: 'unsupported',
      message: expect.stringContaining('"photo" [null,40]'),
    });
    const wide = functional([layer('InputLayer', 'photo', { batch_input_shape: [null, 8, 8, 5] }), convolution('a', 'photo')]);
    await expect(kerasGraph.input({ ...(await parse(wide)), pixels: 'zero-to-one' }, checkpointOf({}))).rejects.toThrow(
      /^unsupported: .*5 channels/s,
    );
  });
});

describe('topologies that cannot be read are bad-config', () => {
  const nested = (depth: number): JsonObject =>
    depth === 0 ? convolution('a', 'photo') : { class_name: 'Sequential', config: { name: `m${depth}`, layers: [nested(depth - 1)] } };
  test.each<[string, JsonObject, string]>([
    ['none', {}, 'no "modelTopology"'],
    ['no model', { modelTopology: { class_name: 'Dense', config: {} } }, 'outermost class is "Dense"'],
    ['no class', sequential({}), 'no class_name'],
    ['no layers', sequential(), 'has no layers'],
    ['layers that are no list', { modelTopology: { class_name: 'Sequential', config: { name: 's', layers: 3 } } }, 'has no layers'],
    ['a circle', functional([photo, convolution('a', 'b'), convolution('b', 'a')]), 'takes an input that no layer gives'],
    ['an output that is not there', functional([photo], 'nowhere'), 'the output "nowhere"'],
    [
      'no list of outputs',
      { modelTopology: { class_name: 'Model', config: { name: 'm', layers: [], input_layers: [], output_layers: 3 } } },
      'inputs or outputs are listed',
    ],
    ['a reference that is none', functional([photo, { ...convolution('a', 'photo'), inbound_nodes: [[[7]]] }]), 'no reference'],
    [
      'a reference to half a call',
      functional([photo, { ...convolution('a', 'photo'), inbound_nodes: [[['photo', 0.5, 0]]] }]),
      'no reference',
    ],
    ['inputs that are no list', functional([photo, { ...convolution('a', 'photo'), inbound_nodes: [3] }]), 'no list of inputs'],
    [
      'an inner input that is not connected',
      sequential({ class_name: 'Dense', config: { name: 'd', batch_input_shape: [null, 3] } }, functionalEntry()),
      'is not connected',
    ],
    ['models without end', { modelTopology: nested(40) }, 'nested more than 16 deep'],
  ])('%s', async (_, config, message) => {
    await expect(parse(config)).rejects.toMatchObject({ code: 'bad-config', message: expect.stringContaining(message) });
  });

  test('too many layers', async () => {
    const layers = Array.from({ length: 20_001 }, (_, index) => ({
      class_name: 'ReLU',
      config: { name: `r${index}`, batch_input_shape: [null, 2, 2, 3] },
    }));
    await expect(parse(sequential(...layers))).rejects.toThrow('more than 20000 layers');
  });
});

/** A functional model with two inputs, to stand behind a layer that gives one. */
function functionalEntry(): JsonObject {
  const inputs = ['x', 'y'].map((name) => layer('InputLayer', name, { batch_input_shape: [null, 3] }));
  return { class_name: 'Model', name: 'inner', config: { name: 'inner', layers: inputs, input_layers: [['x', 0, 0], ['y', 0, 0]], output_layers: [['x', 0, 0]] } }; // prettier-ignore
}

describe('the range of pixels', () => {
  const config = functional([photo, convolution('a', 'photo')]);

  test('is never guessed', async () => {
    await expect(kerasGraph.input(await parse(config), checkpointOf({}))).rejects.toMatchObject({
      code: 'bad-config',
      message: expect.stringMatching(/pixels: 'zero-to-one' \| 'minus-one-to-one'/),
    });
    await expect(kerasGraph.input({ ...(await parse(config)), pixels: 'toString' as never }, checkpointOf({}))).rejects.toThrow(
      /^bad-config/,
    );
  });

  test('is what the caller, Teachable Machine or the network says', async () => {
    expect(await kerasGraph.input({ ...(await parse(config)), pixels: 'zero-to-one' }, checkpointOf({}))).toMatchObject({
      resize: { mode: 'stretch', height: 16, width: 16 },
      scale: 1 / 255,
      mean: [0, 0, 0],
    });
    expect((await parse(config, { 'metadata.json': '{"packageName":"@teachablemachine/image"}' })).pixels).toBe('minus-one-to-one');
    expect((await parse(functional([photo, layer('Rescaling', 'r', { scale: 0.1 }, ['photo']), convolution('a', 'r')]))).pixels).toBe(
      'zero-to-255',
    );
  });
});

test('layers of one name in two models are told apart, and their weights found', async () => {
  const inner = (name: string): JsonObject => ({
    class_name: 'Sequential',
    name,
    config: { name, layers: [{ class_name: 'Conv2D', config: { name: 'conv', filters: 2, kernel_size: [1, 1] } }] },
  });
  const config = await parse(
    sequential({ class_name: 'InputLayer', config: { name: 'i', batch_shape: [null, 4, 4, 3] } }, inner('left'), inner('right')),
  );
  expect(config.layers.map(({ name }) => name)).toEqual(['i', 'conv', 'right.conv']);
  const rows = kerasGraph.weights['layers-model']!.rows(
    config,
    new Set(['left/conv/kernel', 'right/conv/kernel', 'left/conv/bias:0', 'right/conv/bias:0']),
  );
  expect(rows.map(([ours, theirs]) => `${ours} ${theirs}`)).toEqual([
    'conv/kernel left/conv/kernel',
    'conv/bias left/conv/bias:0',
    'right.conv/kernel right/conv/kernel',
    'right.conv/bias right/conv/bias:0',
  ]);
});

const weights = (name: string): string => fileURLToPath(new URL(`../../../shared/data/weights/${name}`, import.meta.url));
const absent = !existsSync(weights('darknet-tiny.tfjs-layers'));
if (absent) console.warn(`skipped: no real networks at ${weights('')}`);

describe.skipIf(absent)('real networks', () => {
  test.each<[string, string | null, number]>([
    ['darknet-tiny.tfjs-layers', null, 128],
    ['doodlenet.keras-h5-and-tfjs', null, 64],
    ['doodlenet.keras-h5-and-tfjs', 'dense', 512],
    ['mobilenet-v2-0.35-224.teachable-machine', null, 1280],
  ])('%s cut at %s has %d features', async (name, features, size) => {
    const checkpoint = await openGolden(weights(name));
    const { built } = await fillFrom(checkpoint, { family: kerasGraph, config: { features, pixels: 'zero-to-one' } });
    expect(built.features.pooled.shape).toEqual([null, size]);
    built.model.dispose();
  });

  test('a Teachable Machine export gives the same numbers by both families', async () => {
    await tf.setBackend('wasm');
    const pixels = tf.randomUniform([1, 224, 224, 3], -1, 1, 'float32', 7);
    const [special, general] = await Promise.all(
      [mobilenetV2, kerasGraph].map(async (family) => {
        const { built } = await fillFrom(await openGolden(weights('mobilenet-v2-0.35-224.teachable-machine')), { family });
        const [pooled] = tf.tidy(() => runGraph(new Map([[built.model.inputs[0]!, pixels]]), [built.features.pooled]));
        const values = pooled!.dataSync();
        built.model.dispose();
        return values;
      }),
    );
    expect(special).toEqual(general);
  });
});
