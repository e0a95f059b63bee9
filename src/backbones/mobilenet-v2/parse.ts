import { ConfigFields } from '../../common/config-fields.js';
import { TransferKitError } from '../../errors.js';
import type { JsonObject } from '../../common/json.js';
import type { Checkpoint } from '../../sources/source.js';
import { flattenTopology } from '../keras-graph/flatten-topology.js';
import { isObject } from '../keras-graph/read-topology.js';
import { blockChannels, blockStrides, dilateFrom, makeDivisible, standardStages } from './config.js';
import type { MobileNetV2Config } from './config.js';
import { kerasNaming, mobilenetV2Tables, ourName, places } from './tables.js';

/** Which ecosystem wrote a checkpoint: by what its configuration says, else by how its tensors are named. */
export function ecosystemOf({ config, tensors }: Checkpoint): keyof typeof mobilenetV2Tables | undefined {
  if (typeof config.architecture === 'string') return /^mobilenetv2_/.test(config.architecture) ? 'timm' : undefined;
  if (typeof config.model_type === 'string') return config.model_type === 'mobilenet_v2' ? 'huggingface' : undefined;
  const names = new Set(tensors.keys());
  const layouts = Object.keys(mobilenetV2Tables) as (keyof typeof mobilenetV2Tables)[];
  const found = layouts.find((layout) => mobilenetV2Tables[layout].detect(names));
  // The names of an archive tell classes of layers only; the topology tells what they were called.
  const archived = found !== 'keras-archive' || JSON.stringify(config.modelTopology ?? {}).includes('"block_16_project"');
  return archived ? found : undefined;
}

/** @throws TransferKitError `bad-config` */
export function parseMobileNetV2(checkpoint: Checkpoint): MobileNetV2Config {
  const ecosystem = ecosystemOf(checkpoint);
  if (ecosystem !== undefined) return parsers[ecosystem](checkpoint);
  throw new TransferKitError(
    'bad-config',
    `"${checkpoint.origin}" is no MobileNetV2 that this version knows.\n  Expected: model_type "mobilenet_v2" (transformers), architecture "mobilenetv2_..." (timm), ` +
      `or tensors named as by torchvision or Keras\n  Received: model_type ${JSON.stringify(checkpoint.config.model_type ?? null)}, ` +
      `architecture ${JSON.stringify(checkpoint.config.architecture ?? null)}\n  Fix: leave \`backbone\` out, and the family is found by itself.`,
  );
}

const parsers = {
  huggingface: parseHuggingFace,
  timm: parseTimm,
  torchvision: parseTorchvision,
  keras: parseKeras,
  'keras-archive': parseKeras,
};

/** Largest settings that a configuration may have, against allocations without end; published ones stay below 2, 6 and 8. */
const widest = { above: 0, atMost: 4 };
const mostExpanded = { above: 0, atMost: 12 };
const coarsest = { above: 0, atMost: 64 };

/** Python's rounding. */
const roundHalfEven = (value: number): number => (value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value));

function parseHuggingFace({ config, origin }: Checkpoint): MobileNetV2Config {
  if (config.model_type === undefined) throw new TransferKitError('bad-config', missingConfig(origin));
  const fields = new ConfigFields(config, `mobilenet-v2 config of "${origin}"`);
  const width = fields.number('depth_multiplier', 1, widest);
  const divisor = fields.number('depth_divisible_by', 8, coarsest);
  const minimum = fields.number('min_depth', 8, coarsest);
  const size = fields.number('image_size', 224, { above: 0, atMost: 65536 });
  const ratio = fields.number('expand_ratio', 6, mostExpanded);
  const round = (channels: number): number => makeDivisible(roundHalfEven(channels), divisor, minimum);
  const [stemOutput, ...channels] = blockChannels((count) => round(count * width));
  const strides = dilateFrom(fields.oneOf('output_stride', [32, 16, 8, 4, 2]), blockStrides(standardStages).slice(1));
  const blocks = channels.map((count, index) => ({
    expanded: round((channels[index - 1] ?? stemOutput!) * ratio),
    channels: count,
    ...strides[index]!,
  }));
  const wideTop = fields.boolean('finegrained_output', true) && width < 1;
  const parsed: MobileNetV2Config = {
    imageSize: [size, size],
    padding: fields.boolean('tf_padding', true) ? 'tf' : 'torch',
    epsilon: fields.number('layer_norm_eps', 1e-3, { above: 0, atMost: 1 }),
    momentum: 0.997,
    stemChannels: round(32 * width),
    stemExpansion: !fields.boolean('first_layer_is_expansion', true),
    stemResidual: false,
    stemOutput: stemOutput!,
    blocks,
    stages: standardStages,
    topChannels: wideTop ? 1280 : round(1280 * width),
  };
  fields.oneOf('model_type', ['mobilenet_v2']);
  fields.oneOf('hidden_act', ['relu6']);
  fields.oneOf('num_channels', [3]);
  fields.irrelevant('classifier_dropout_prob', 'semantic_loss_ignore_index', 'num_classes', 'image_mean', 'image_std');
  fields.finish();
  return parsed;
}

const missingConfig = (origin: string): string =>
  `"${origin}" has the tensors of a transformers MobileNetV2 and no configuration.\n  Expected: a config.json with model_type "mobilenet_v2" beside the weights, ` +
  `because padding and epsilon cannot be told from tensors\n  Received: none\n  Fix: download config.json too.`;

/** What tensors do not tell. */
type Habits = Pick<MobileNetV2Config, 'stages' | 'imageSize' | 'padding' | 'epsilon' | 'momentum'>;

/** The config whose channels are those of the tensors. @throws TransferKitError `bad-config` when a tensor is missing */
function measure(checkpoint: Checkpoint, layout: keyof typeof mobilenetV2Tables, habits: Habits): MobileNetV2Config {
  const named = { stages: habits.stages, stemExpansion: false };
  const names = new Map(mobilenetV2Tables[layout].rows(named, new Set(checkpoint.tensors.keys())).map(([ours, theirs]) => [ours, theirs]));
  const at = (part: string, role: string, block = 0): number => {
    const place = places(named).find((candidate) => candidate.part === part && candidate.role === role && candidate.block === block)!;
    return channelsOf(checkpoint, names.get(`${ourName(place)}/kernel`)!, layout.startsWith('keras') ? -1 : 0);
  };
  const strides = blockStrides(habits.stages).slice(1);
  return {
    ...habits,
    stemChannels: at('stem', 'convolution'),
    stemExpansion: false,
    stemResidual: true,
    stemOutput: at('stem', 'project'),
    blocks: strides.map((stride, index) => ({
      expanded: at('block', 'expand', index + 1),
      channels: at('block', 'project', index + 1),
      stride,
    })),
    topChannels: at('top', 'convolution'),
  };
}

/** The side of a kernel's shape that counts the channels that come out. */
function channelsOf(checkpoint: Checkpoint, name: string, side: number): number {
  const channels = checkpoint.tensors.get(name)?.shape.at(side);
  if (channels !== undefined && channels > 0) return channels;
  throw new TransferKitError(
    'bad-config',
    `"${checkpoint.origin}" does not have the tensors of a MobileNetV2.\n  Expected: a convolution kernel "${name}"\n  Received: ${checkpoint.tensors.size} tensors without it\n` +
      `  Fix: load a complete checkpoint, or name another backbone.`,
    { details: { tensor: name } },
  );
}

/** The habits of PyTorch: symmetric padding, its BatchNorm's defaults. */
const torchHabits = { padding: 'torch', epsilon: 1e-5, momentum: 0.9 } as const;

function parseTimm(checkpoint: Checkpoint): MobileNetV2Config {
  const { config, origin } = checkpoint;
  const fields = new ConfigFields(config, `mobilenet-v2 config of "${origin}"`);
  fields.oneOf('global_pool', ['avg', '']);
  fields.irrelevant(
    'architecture',
    'num_classes',
    'pretrained_cfg',
    'label_names',
    'label_descriptions',
    'model_type',
    'do_pooling',
    'pipeline_tag',
  );
  checkTimmArguments(fields, config);
  const blocks = new Set([...checkpoint.tensors.keys()].map((name) => /^blocks\.\d+\.\d+\./.exec(name)?.[0]));
  const stages = standardStages.map((_, stage) => Math.max(1, [...blocks].filter((name) => name?.startsWith(`blocks.${stage}.`)).length));
  const parsed = measure(checkpoint, 'timm', { ...torchHabits, stages, imageSize: [224, 224] });
  fields.number('num_features', parsed.topChannels, { above: parsed.topChannels - 1, atMost: parsed.topChannels });
  fields.finish();
  return parsed;
}

/** timm's `model_args` may rebuild the network; only those that leave the backbone as it is are accepted. */
function checkTimmArguments(fields: ConfigFields, config: JsonObject): void {
  fields.irrelevant('model_args');
  if (!isObject(config.model_args)) return;
  const harmless = new Set([
    'num_classes',
    'drop_rate',
    'drop_path_rate',
    'global_pool',
    'in_chans',
    'channel_multiplier',
    'depth_multiplier',
  ]);
  const other = Object.keys(config.model_args).find((name) => !harmless.has(name));
  if (other !== undefined) throw fields.error(`model_args.${other}`, 'none', config.model_args[other]);
}

/** torchvision publishes no configuration; everything that varies is in the shapes. */
function parseTorchvision(checkpoint: Checkpoint): MobileNetV2Config {
  return measure(checkpoint, 'torchvision', { ...torchHabits, stages: standardStages, imageSize: [224, 224] });
}

function parseKeras(checkpoint: Checkpoint): MobileNetV2Config {
  const layout = ecosystemOf(checkpoint)!;
  return measure(checkpoint, layout, { stages: standardStages, padding: 'tf', ...readKerasHabits(checkpoint) });
}

/** Epsilon, momentum and photo size as the topology has them; its strides and activations must be those of the published network. */
function readKerasHabits({ config, origin }: Checkpoint): Pick<Habits, 'epsilon' | 'momentum' | 'imageSize'> {
  if (config.modelTopology === undefined) return { epsilon: 1e-3, momentum: 0.999, imageSize: [224, 224] };
  const layers = new Map(flattenTopology(config).layers.map((layer) => [layer.name, layer]));
  const setting = (layer: string, name: string): unknown => layers.get(layer)?.config[name];
  const strides = blockStrides(standardStages);
  for (const place of places({ stages: standardStages, stemExpansion: false })) {
    const { convolution, normalization } = kerasNaming(place);
    const stride = place.role === 'depthwise' ? strides[place.block]! : place.part === 'stem' && place.role === 'convolution' ? 2 : 1;
    check(origin, convolution, 'strides', setting(convolution, 'strides') ?? 1, [stride, [stride, stride]]);
    check(origin, convolution, 'dilation_rate', setting(convolution, 'dilation_rate') ?? 1, [1, [1, 1]]);
    check(origin, normalization, 'epsilon', setting(normalization, 'epsilon'), [setting('bn_Conv1', 'epsilon')]);
  }
  check(origin, 'Conv1_relu', 'max_value', setting('Conv1_relu', 'max_value') ?? 6, [6, [6]]);
  const shape = [...layers.values()].find((layer) => layer.className === 'InputLayer')?.config;
  const size = shape?.batch_input_shape ?? shape?.batch_shape;
  const numbers = { epsilon: setting('bn_Conv1', 'epsilon'), momentum: setting('bn_Conv1', 'momentum') };
  return {
    epsilon: typeof numbers.epsilon === 'number' ? numbers.epsilon : 1e-3,
    momentum: typeof numbers.momentum === 'number' ? numbers.momentum : 0.999,
    imageSize: [sideOf(size, 1), sideOf(size, 2)],
  };
}

/** A side of a shape [batch, height, width, channels], or 224 where it is free. */
const sideOf = (shape: unknown, axis: number): number => (Array.isArray(shape) && typeof shape[axis] === 'number' ? shape[axis] : 224);

function check(origin: string, layer: string, field: string, received: unknown, allowed: readonly unknown[]): void {
  if (allowed.some((value) => JSON.stringify(value) === JSON.stringify(received))) return;
  throw new TransferKitError(
    'bad-config',
    `"${origin}" has the layer names of Keras's MobileNetV2 but not its topology.\n  Expected: "${layer}" with ${field} ${JSON.stringify(allowed[0])}\n` +
      `  Received: ${JSON.stringify(received ?? null)}\n  Fix: load it as what it is: { backbone: 'keras-graph', source: '${origin}' }.`,
    { details: { layer, field, received } },
  );
}
