import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../errors.js';
import type { BatchNormalizationArguments } from '../layers/batch-normalization.js';

/** Layers of plain tfjs that compute together what one layer of ours does. */
export interface PlainLayers {
  /** Applied one after another. */
  readonly chain: readonly layers.Layer[];
  /** Numbers for the weights of the first of them, in its order. The caller disposes those that are not the layer's own. */
  readonly weights: (own: readonly tf.Tensor[]) => readonly tf.Tensor[];
}

type Replace = (layer: layers.Layer, name: string, inputShape: readonly (number | null)[]) => PlainLayers;

const sameWeights: PlainLayers['weights'] = (own) => own;
const one = (layer: layers.Layer, weights = sameWeights): PlainLayers => ({ chain: [layer], weights });

/** What is added to the variance of a standardising layer, and taken from it before. */
const standardEpsilon = 1e-3;

/** (x - mean) * scale, as normalisation by a variance of 1. */
const standardized: Replace = (_layer, name) =>
  one(layers.batchNormalization({ name, axis: -1, epsilon: standardEpsilon, center: false }), ([mean, scale]) => [
    scale!,
    mean!,
    tf.fill(mean!.shape, 1 - standardEpsilon),
  ]);

const globallyPooled: Replace = (layer, name, inputShape) => {
  const { mode, keepAxes } = layer.getConfig();
  const make = mode === 'average' ? layers.globalAveragePooling2d : layers.globalMaxPooling2d;
  const pooled = make({ name, dataFormat: 'channelsLast' });
  const reshaped = layers.reshape({ name: `${name}/axes`, targetShape: [1, 1, inputShape.at(-1)!] });
  return keepAxes === true ? { chain: [pooled, reshaped], weights: sameWeights } : one(pooled);
};

/** Activations by our names, as plain tfjs calls them. */
const activations: Readonly<Record<string, string>> = {
  gelu: 'gelu',
  gelu_python: 'gelu',
  gelu_new: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  relu: 'relu',
  relu6: 'relu6',
  silu: 'swish',
  swish: 'swish',
  sigmoid: 'sigmoid',
  tanh: 'tanh',
  linear: 'linear',
};

const activated: Replace = (layer, name) => {
  const activation = layer.getConfig()['activation'] as string;
  if (!Object.hasOwn(activations, activation)) throw noPlainLayer(layer, `its activation "${activation}" is none of tfjs's`);
  return one(layers.activation({ name, activation: activations[activation]! as 'relu' }));
};

/** Shares of red, green and blue in brightness, as a convolution. */
const greyscale: Replace = (_layer, name) =>
  one(layers.conv2d({ name, filters: 1, kernelSize: 1, useBias: false }), () => [tf.tensor([0.299, 0.587, 0.114], [1, 1, 3, 1])]);

/** Our layers that plain tfjs can compute, by their classes. */
const replacements: Readonly<Record<string, Replace>> = {
  TransferKitRelu6: (_layer, name) => one(layers.reLU({ name, maxValue: 6 })),
  TransferKitBatchNormalization: (layer, name) => {
    const { epsilon, momentum, center, scale } = layer.getConfig() as unknown as BatchNormalizationArguments;
    return one(layers.batchNormalization({ name, axis: -1, epsilon, momentum: momentum!, center: center!, scale: scale! }));
  },
  TransferKitDropout: (layer, name) => one(layers.dropout({ name, rate: Number(layer.getConfig()['rate']) })),
  TransferKitLayerNormalization: (layer, name) =>
    one(layers.layerNormalization({ name, axis: -1, epsilon: Number(layer.getConfig()['epsilon']) })),
  TransferKitActivation: activated,
  TransferKitGlobalPooling: globallyPooled,
  TransferKitGreyscale: greyscale,
  TransferKitStandardize: standardized,
};

/** Classes of tfjs-layers 4 that are copied as they are. */
// prettier-ignore
const plainClasses: ReadonlySet<string> = new Set([
  'Activation', 'Add', 'Average', 'AveragePooling1D', 'AveragePooling2D', 'BatchNormalization', 'Concatenate', 'Conv1D', 'Conv2D',
  'Conv2DTranspose', 'Cropping2D', 'Dense', 'DepthwiseConv2D', 'Dot', 'Dropout', 'ELU', 'Embedding', 'Flatten', 'GlobalAveragePooling1D',
  'GlobalAveragePooling2D', 'GlobalMaxPooling1D', 'GlobalMaxPooling2D', 'LayerNormalization', 'LeakyReLU', 'MaxPooling1D', 'MaxPooling2D',
  'Maximum', 'Minimum', 'Multiply', 'PReLU', 'Permute', 'ReLU', 'RepeatVector', 'Rescaling', 'Reshape', 'SeparableConv2D', 'Softmax',
  'SpatialDropout1D', 'ThresholdedReLU', 'UpSampling2D', 'ZeroPadding2D',
]);

const plainActivations: ReadonlySet<unknown> = new Set([
  ...Object.values(activations),
  'elu',
  'selu',
  'hardSigmoid',
  'softplus',
  'softsign',
  'softmax',
  'logSoftmax',
  'mish',
]);

/** Initialisers and penalties matter in training alone, and some are ours. */
function plainConfig(config: tf.serialization.ConfigDict, name: string): tf.serialization.ConfigDict {
  const entries = Object.entries(config).map(([key, value]) => {
    if (key.endsWith('Initializer')) return [key, { className: 'Zeros', config: {} }];
    return [key, key.endsWith('Regularizer') || key.endsWith('Constraint') ? null : value];
  });
  return { ...(Object.fromEntries(entries) as tf.serialization.ConfigDict), name };
}

const copied: Replace = (layer, name) => {
  const config = layer.getConfig();
  if (config['activation'] !== undefined && !plainActivations.has(config['activation']))
    throw noPlainLayer(layer, `its activation ${JSON.stringify(config['activation'])} is none of tfjs's`);
  const known = layer.constructor as tf.serialization.SerializableConstructor<layers.Layer>;
  return one(known.fromConfig(known, plainConfig(config, name)));
};

/** A layer that plain tfjs cannot compute. */
function noPlainLayer(layer: layers.Layer, why: string): TransferKitError {
  return new TransferKitError(
    'unsupported',
    `layer "${layer.name}" of class ${layer.getClassName()} cannot be exported to tfjs: ${why}.\n` +
      `  Expected: layers that plain tfjs has, or that are put together from them\n  Fix: use exportOnnx, which takes layers of all kinds, or model.save.`,
    { details: { layer: layer.name, class: layer.getClassName() } },
  );
}

/**
 * What computes a layer in plain tfjs.
 * @param name of the layer in the export
 * @param inputShape of its first input
 * @throws TransferKitError `unsupported` naming the layer
 */
export function plainLayers(layer: layers.Layer, name: string, inputShape: readonly (number | null)[]): PlainLayers {
  const className = layer.getClassName();
  if (Object.hasOwn(replacements, className)) return replacements[className]!(layer, name, inputShape);
  if (plainClasses.has(className)) return copied(layer, name, inputShape);
  throw noPlainLayer(layer, 'tfjs has no such layer');
}
