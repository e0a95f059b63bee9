import { serialization } from '@tensorflow/tfjs-core';
import { initializers, layers } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../../errors.js';
import type { JsonObject, JsonValue } from '../../common/json.js';
import { BatchNormalization } from '../../layers/batch-normalization.js';
import { Dropout } from '../../layers/dropout.js';
import { GlobalPooling } from '../../layers/global-pooling.js';
import { HardSigmoid, HardSwish } from '../../layers/hard-sigmoid.js';
import { Relu6 } from '../../layers/relu6.js';
import { hash32 } from '../../common/random.js';
import type { GraphLayer } from './graph.js';
import { isObject } from './read-topology.js';

/** A layer that this version cannot compute. */
export function unsupportedLayer({ name, className }: GraphLayer, why: string, cause?: unknown): TransferKitError {
  return new TransferKitError(
    'unsupported',
    `layer "${name}" of class ${className} cannot be computed: ${why}.\n` +
      `  Fix: cut the network before it, with config: { features: 'name of an earlier layer' }, or rebuild the model without it.`,
    { details: { layer: name, className }, cause },
  );
}

/** Layers that do nothing in inference and whose noise in training we do not take over; what they get is what they give. */
const transparent = new Set(['GaussianNoise', 'GaussianDropout', 'AlphaDropout', 'SpatialDropout1D', 'SpatialDropout2D', 'ActivityRegularization',
  'RandomFlip', 'RandomRotation', 'RandomZoom', 'RandomContrast', 'RandomBrightness', 'RandomTranslation', 'RandomHeight', 'RandomWidth', 'RandomCrop']); // prettier-ignore

/** Whether a layer gives what it gets, in inference and for us in training too. */
export const isTransparent = ({ className, config }: GraphLayer): boolean =>
  transparent.has(className) || (className === 'Activation' && activationOf(config.activation) === 'linear');

/** Layers that take other layers apart, or run foreign code. */
const refused = new Set([
  'Lambda',
  'TFOpLambda',
  'SlicingOpLambda',
  'TensorFlowOpLayer',
  'TimeDistributed',
  'Bidirectional',
  'RNN',
  'MultiHeadAttention',
]);

/** What `hard_sigmoid` is called from Keras 3 on, when it got another slope. */
export const modernHardSigmoid = 'hard_sigmoid of Keras 3';

/** Activations by Keras's names: those that tfjs computes as Keras does, and ours. */
const activations: Readonly<Record<string, string>> = {
  [modernHardSigmoid]: HardSigmoid.className, hard_sigmoid: 'hardSigmoid', hard_silu: HardSwish.className, hard_swish: HardSwish.className,
  elu: 'elu', gelu: 'gelu', linear: 'linear', log_softmax: 'logSoftmax', mish: 'mish', relu: 'relu', relu6: 'relu6', selu: 'selu', sigmoid: 'sigmoid',
  silu: 'swish', softmax: 'softmax', softplus: 'softplus', softsign: 'softsign', swish: 'swish', tanh: 'tanh',
}; // prettier-ignore

/** Name of an activation, which Keras writes as a name or as a reference to a function; empty for a layer that serves as one. */
export function activationOf(value: JsonValue | undefined): string {
  const name = isObject(value) && value.class_name === 'function' ? value.config : (value ?? 'linear');
  return typeof name === 'string' ? name : '';
}

const number = (value: JsonValue | undefined, fallback: number): number => (typeof value === 'number' ? value : fallback);
const isOne = (value: JsonValue | undefined): boolean => value === undefined || [value].flat().every((entry) => entry === 1);

const isLastAxis = (axis: JsonValue | undefined, rank: number): boolean =>
  [axis ?? -1].flat().every((entry) => entry === -1 || entry === rank - 1);

/** Refuses settings that tfjs's layers would pass over in silence. */
function checkSettings(layer: GraphLayer, rank: number): void {
  const { className, config } = layer;
  const refuse = (field: string): never => {
    throw unsupportedLayer(layer, `its setting ${field} ${JSON.stringify(config[field])} is not supported`);
  };
  if (config.data_format === 'channels_first') refuse('data_format');
  if (!isOne(config.groups)) refuse('groups');
  if (className === 'DepthwiseConv2D' && !isOne(config.dilation_rate)) refuse('dilation_rate');
  for (const field of ['crop_to_aspect_ratio', 'pad_to_aspect_ratio']) if (config[field] === true) refuse(field);
  if (className === 'Rescaling') for (const field of ['scale', 'offset']) if (Array.isArray(config[field])) refuse(field);
  if (className === 'BatchNormalization' && !isLastAxis(config.axis, rank)) refuse('axis');
  if (!Object.hasOwn(activations, activationOf(config.activation))) refuse('activation');
}

type Maker = (layer: GraphLayer) => layers.Layer;

function rectifier(layer: GraphLayer): layers.Layer {
  const { name, config } = layer;
  const slope = number(config.negative_slope, 0);
  const ceiling = config.max_value ?? null;
  if (number(config.threshold, 0) !== 0 || (slope !== 0 && ceiling !== null))
    throw unsupportedLayer(layer, 'it has a threshold, or a slope and a ceiling at once');
  if (slope !== 0) return layers.leakyReLU({ name, alpha: slope });
  if (ceiling === 6) return new Relu6({ name });
  return typeof ceiling === 'number' ? layers.reLU({ name, maxValue: ceiling }) : layers.activation({ name, activation: 'relu' });
}

const globalPooling =
  (mode: 'average' | 'maximum'): Maker =>
  ({ name, config }) =>
    new GlobalPooling({ name, mode, keepAxes: config.keepdims === true });

/** Layers of ours that take the place of stock ones, and stock ones whose settings changed their names. */
const makers: Readonly<Record<string, Maker>> = {
  BatchNormalization: ({ name, config }) =>
    new BatchNormalization({
      name,
      epsilon: number(config.epsilon, 1e-3),
      momentum: number(config.momentum, 0.99),
      center: config.center !== false,
      scale: config.scale !== false,
    }),
  Dropout: ({ name, config }) => new Dropout({ name, rate: number(config.rate, 0) }),
  ReLU: rectifier,
  LeakyReLU: ({ name, config }) => layers.leakyReLU({ name, alpha: number(config.negative_slope ?? config.alpha, 0.3) }),
  GlobalAveragePooling2D: globalPooling('average'),
  GlobalMaxPooling2D: globalPooling('maximum'),
};

/** Settings that belong to the training that the file comes from, not to the function that the layer computes. */
const dropped = /^(trainable|dtype|autocast|batch_input_shape|batch_shape|build_config|seed|name)$|_(regularizer|constraint|initializer)$/;

const toCamelCase = (text: string): string => text.replace(/_+([a-zA-Z0-9])/g, (_, letter: string) => letter.toUpperCase());

/** Keras's settings in tfjs's spelling: names of fields and of choices in camelCase. */
function toStockValue(value: JsonValue): JsonValue {
  if (typeof value === 'string') return toCamelCase(value);
  if (!isObject(value)) return Array.isArray(value) ? value.map(toStockValue) : value;
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [toCamelCase(key), toStockValue(entry ?? null)]));
}

/** Weights of new layers, the same in every run. */
function initializersFor({ name, className, config }: GraphLayer): Record<string, unknown> {
  // Keras writes a kernel_initializer for separable convolutions, which have no such kernel.
  const kernel = className === 'SeparableConv2D' ? '' : 'kernel|';
  const fields = Object.keys(config).filter((field) =>
    RegExp(`^(${kernel}depthwise|pointwise|embeddings|recurrent)_initializer$`).test(field),
  );
  return Object.fromEntries(fields.map((field) => [toCamelCase(field), initializers.heUniform({ seed: hash32(`${name}/${field}`) })]));
}

function stockLayer(layer: GraphLayer): layers.Layer {
  const { name, className, config } = layer;
  // tfjs keeps its layer classes in this table; it exports no function that makes one of them from its settings.
  const known = serialization.SerializationMap.getMap().classNameMap;
  const entry = Object.hasOwn(known, className) ? known[className] : undefined;
  if (entry === undefined || refused.has(className)) throw unsupportedLayer(layer, 'TensorFlow.js has no such layer');
  const kept = Object.fromEntries(Object.entries(config).filter(([field]) => !dropped.test(field)));
  const settings = { ...(toStockValue(kept) as JsonObject), ...initializersFor(layer), name };
  const activation = activationOf(config.activation);
  const activated = 'activation' in config ? { ...settings, activation: activations[activation] } : settings;
  const [make, fromConfig] = entry;
  try {
    const made: unknown = fromConfig(make, activated as serialization.ConfigDict);
    return made as layers.Layer;
  } catch (cause) {
    throw unsupportedLayer(layer, `TensorFlow.js refuses its settings (${(cause as Error).message})`, cause);
  }
}

/** Most weights that one layer may have; VGG's largest Dense has a hundred million. */
const mostWeights = 2e8;

/** Sizes come from files, so they are multiplied out before anything is allocated. */
function checkSize(layer: GraphLayer, shape: readonly (number | null)[]): void {
  const { filters, units, kernel_size: kernel, input_dim: rows, output_dim: columns } = layer.config;
  const sizes = [filters, units, rows, columns, ...[kernel ?? 1].flat()].filter((size): size is number => typeof size === 'number');
  const weights = sizes.reduce((product, size) => product * size, shape.at(-1) ?? 1);
  if (!(weights <= mostWeights))
    throw unsupportedLayer(layer, `it would have about ${weights} weights, more than the cap of ${mostWeights}`);
}

/**
 * Makes the tfjs layer of a graph's layer.
 * @param shape of its first input
 * @throws TransferKitError `unsupported` naming layer and class
 */
export function makeLayer(layer: GraphLayer, shape: readonly (number | null)[]): layers.Layer {
  checkSettings(layer, shape.length);
  checkSize(layer, shape);
  return (Object.hasOwn(makers, layer.className) ? makers[layer.className]! : stockLayer)(layer);
}
