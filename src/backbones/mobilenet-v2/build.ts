import { initializers, input, layers, model } from '@tensorflow/tfjs-layers';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { TransferKitError } from '../../errors.js';
import { BatchNormalization } from '../../layers/batch-normalization.js';
import { DilatedDepthwise } from '../../layers/dilated-depthwise.js';
import { Relu6 } from '../../layers/relu6.js';
import { hash32 } from '../../common/random.js';
import type { BuiltBackbone, LayerGroup } from '../backbone.js';
import type { MobileNetV2Block, MobileNetV2Config } from './config.js';

/** One convolution with its normalisation. */
interface ConvolutionOptions {
  readonly name: string;
  readonly kind: 'full' | 'depthwise';
  readonly size: 1 | 3;
  /** Channels that come out; a depthwise convolution keeps those that come in. */
  readonly channels: number;
  readonly stride?: number;
  readonly dilation?: number | undefined;
  /** Default true; the last convolution of a block is linear. */
  readonly activation?: boolean;
}

const channelsOf = (tensor: SymbolicTensor): number => tensor.shape.at(-1)!;

/** Puts the network together and notes which layer belongs to which group. */
class Builder {
  readonly groups: LayerGroup[] = [];
  #layers: layers.Layer[] = [];

  constructor(readonly config: MobileNetV2Config) {}

  /** Applies a layer within the group that is being built. */
  apply(layer: layers.Layer, inputs: SymbolicTensor | SymbolicTensor[]): SymbolicTensor {
    this.#layers.push(layer);
    return layer.apply(inputs) as SymbolicTensor;
  }

  group(name: string, build: () => SymbolicTensor): SymbolicTensor {
    this.#layers = [];
    const output = build();
    this.groups.push({ name, layers: this.#layers });
    return output;
  }

  convolution(tensor: SymbolicTensor, options: ConvolutionOptions): SymbolicTensor {
    const { name, stride = 1 } = options;
    const { epsilon, momentum } = this.config;
    let output = tensor;
    // With stride 1 both ways of padding are the same.
    const explicit = this.config.padding === 'torch' && stride > 1;
    if (explicit) output = this.apply(layers.zeroPadding2d({ name: `${name}/padding`, padding: 1 }), output);
    output = this.apply(convolutionLayer(options, explicit ? 'valid' : 'same'), output);
    output = this.apply(new BatchNormalization({ name: `${name}/normalization`, epsilon, momentum }), output);
    return options.activation === false ? output : this.apply(new Relu6({ name: `${name}/relu6` }), output);
  }

  /** An inverted residual; without `expanded` the first 1x1 convolution is left out. */
  block(
    tensor: SymbolicTensor,
    name: string,
    block: Omit<MobileNetV2Block, 'expanded'> & { readonly expanded?: number },
    residual = true,
  ): SymbolicTensor {
    const { channels, stride, dilation, expanded } = block;
    let output = tensor;
    if (expanded !== undefined) output = this.convolution(output, { name: `${name}/expand`, kind: 'full', size: 1, channels: expanded });
    output = this.convolution(output, {
      name: `${name}/depthwise`,
      kind: 'depthwise',
      size: 3,
      channels: channelsOf(output),
      stride,
      dilation,
    });
    output = this.convolution(output, { name: `${name}/project`, kind: 'full', size: 1, channels, activation: false });
    const adds = residual && stride === 1 && channelsOf(tensor) === channels;
    return adds ? this.apply(layers.add({ name: `${name}/add` }), [tensor, output]) : output;
  }
}

/** The bare convolution, with seeded He weights. */
function convolutionLayer(
  { name, size, channels, kind, stride = 1, dilation = 1 }: ConvolutionOptions,
  padding: 'same' | 'valid',
): layers.Layer {
  if (dilation > 1) return new DilatedDepthwise({ name, dilation });
  const shared = { name, kernelSize: size, strides: stride, padding, useBias: false };
  const initializer = initializers.heUniform({ seed: hash32(name) });
  if (kind === 'depthwise') return layers.depthwiseConv2d({ ...shared, depthwiseInitializer: initializer });
  return layers.conv2d({ ...shared, filters: channels, kernelInitializer: initializer });
}

/** Most weights that a network may have; the largest published one has seven million. */
const mostWeights = 2e8;

const oddBlock = (block: MobileNetV2Block): TransferKitError =>
  new TransferKitError(
    'bad-config',
    `a block of this MobileNetV2 cannot be.\n  Expected: a stride of 1 or 2, a dilation from 1 on\n  Received: ${JSON.stringify(block)}`,
  );

/** Shapes come from files, so they are added up before anything is allocated. @throws TransferKitError `bad-config` */
function checkSize({ stemChannels, stemOutput, blocks, topChannels }: MobileNetV2Config): void {
  const odd = blocks.find(({ stride, dilation = 1 }) => ![1, 2].includes(stride) || !(Number.isInteger(dilation) && dilation > 0));
  if (odd !== undefined) throw oddBlock(odd);
  const widths = [stemOutput, ...blocks.map((block) => block.channels)];
  const inner = blocks.map(({ expanded, channels }, index) => expanded * (widths[index]! + 9 + channels));
  const count = [...inner, stemChannels * (36 + stemChannels + stemOutput), widths.at(-1)! * topChannels].reduce(
    (sum, weights) => sum + weights,
    0,
  );
  if (count <= mostWeights) return;
  throw new TransferKitError(
    'bad-config',
    `this MobileNetV2 would be too large.\n  Expected: at most ${mostWeights} weights\n  Received: channels that make ${count}\n` +
      `  Fix: check that the checkpoint is what it claims to be.`,
    { details: { weights: count, limit: mostWeights } },
  );
}

/** Builds the network: float32 [batch, height, width, 3] to [batch, height / 32, width / 32, features] and its mean. */
export function buildMobileNetV2(config: MobileNetV2Config): BuiltBackbone {
  checkSize(config);
  const builder = new Builder(config);
  const pixels = input({ shape: [null, null, 3], name: 'pixels' });
  let tensor = builder.group('stem', () => {
    const first = builder.convolution(pixels, {
      name: 'stem/convolution',
      kind: 'full',
      size: 3,
      channels: config.stemChannels,
      stride: 2,
    });
    const expansion = config.stemExpansion ? { expanded: config.stemChannels } : {};
    return builder.block(first, 'stem', { ...expansion, channels: config.stemOutput, stride: 1 }, config.stemResidual);
  });
  config.blocks.forEach((block, index) => {
    const name = `block-${index + 1}`;
    tensor = builder.group(name, () => builder.block(tensor, name, block));
  });
  const map = builder.group('top', () =>
    builder.convolution(tensor, { name: 'top/convolution', kind: 'full', size: 1, channels: config.topChannels }),
  );
  const pooled = layers.globalAveragePooling2d({ name: 'pooled', dataFormat: 'channelsLast' }).apply(map) as SymbolicTensor;
  return { model: model({ inputs: pixels, outputs: pooled, name: 'mobilenet-v2' }), groups: builder.groups, features: { pooled, map } };
}
