import type { JsonObject } from '../../common/json.js';

/** One inverted residual: widen by a 1x1 convolution, filter each channel, project back. */
export type MobileNetV2Block = {
  /** Channels between the two 1x1 convolutions. */
  readonly expanded: number;
  /** Channels that come out. */
  readonly channels: number;
  readonly stride: number;
  /** Distance between the places that the 3x3 kernel looks at; 1 but in networks that keep larger maps. */
  readonly dilation?: number;
};

/**
 * A MobileNetV2 of any width and depth. Channels are written out, because each ecosystem rounds them in its own way.
 */
export interface MobileNetV2Config extends JsonObject {
  /** Height and width of the photos it was trained on; any other size works too. */
  readonly imageSize: readonly [height: number, width: number];
  /** How convolutions with stride 2 pad: `tf` by what the size needs, more at the end; `torch` by 1 on each side. */
  readonly padding: 'tf' | 'torch';
  /** Added to variances by the normalisations. */
  readonly epsilon: number;
  /** Share of the old moving statistics that stays at a training step. */
  readonly momentum: number;
  /** Channels of the first convolution. */
  readonly stemChannels: number;
  /** Whether the first block widens its input by a 1x1 convolution too (`first_layer_is_expansion: false` of transformers). */
  readonly stemExpansion: boolean;
  /** Whether the first block adds its input where the shapes allow it (all but transformers). */
  readonly stemResidual: boolean;
  /** Channels that come out of the first block. */
  readonly stemOutput: number;
  /** The blocks after the first, `block-1` on. */
  readonly blocks: readonly MobileNetV2Block[];
  /** Blocks in each of the seven stages; the first stage is the stem's block. Sums to `blocks.length + 1`. */
  readonly stages: readonly number[];
  /** Channels of the last convolution, which are the features. */
  readonly topChannels: number;
}

/** Blocks of each stage of the published network. */
export const standardStages: readonly number[] = [1, 2, 3, 4, 3, 3, 1];

/** Channels of each stage at width 1. */
const stageChannels: readonly number[] = [16, 24, 32, 64, 96, 160, 320];

/** Stride of the first block of each stage. */
const stageStrides: readonly number[] = [1, 2, 2, 2, 1, 2, 1];

/** Rounds to a multiple of `divisor`, never below `minimum` and never down by more than a tenth. */
export function makeDivisible(value: number, divisor = 8, minimum = divisor): number {
  const rounded = Math.max(minimum, Math.floor((value + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * value ? rounded + divisor : rounded;
}

/** The stride of each block, the stem's block first. */
export function blockStrides(stages: readonly number[]): number[] {
  return stages.flatMap((count, stage) => Array.from({ length: count }, (_, index) => (index === 0 ? stageStrides[stage]! : 1)));
}

/**
 * Strides and dilations of a network that stops to shrink its maps at a stride: blocks from there on spread their kernels instead.
 * @param strides of the blocks behind the stem's; the stem itself has halved the photo once
 */
export function dilateFrom(outputStride: number, strides: readonly number[]): { stride: number; dilation?: number }[] {
  let reached = 2;
  let dilation = 1;
  return strides.map((stride) => {
    if (reached < outputStride) {
      reached *= stride;
      return { stride };
    }
    const own = dilation;
    dilation *= stride;
    return own === 1 ? { stride: 1 } : { stride: 1, dilation: own };
  });
}

/** The channels that each block of the standard network puts out at a width, the stem's block first. */
export function blockChannels(round: (channels: number) => number): number[] {
  return standardStages.flatMap((count, stage) => Array.from({ length: count }, () => round(stageChannels[stage]!)));
}

/** What sets one MobileNetV2 apart from another. */
export interface MobileNetV2Options {
  /** Width multiplier of all channels. */
  readonly width: number;
  /** Side of the square photos. Default 224. */
  readonly imageSize?: number;
}

/**
 * The config of Keras's MobileNetV2 at any width, to be built with random weights.
 * @example
 * ```ts
 * import { mobilenetV2, mobilenetV2Config } from 'transferkit/backbones/mobilenet-v2';
 *
 * const { groups } = mobilenetV2.build(mobilenetV2Config({ width: 0.35, imageSize: 96 }));
 * console.log(groups.map((group) => group.name)); // ['stem', 'block-1', ... 'block-16', 'top']
 * ```
 */
export function mobilenetV2Config({ width, imageSize = 224 }: MobileNetV2Options): MobileNetV2Config {
  const [stemOutput, ...channels] = blockChannels((count) => makeDivisible(count * width));
  const strides = blockStrides(standardStages).slice(1);
  return {
    imageSize: [imageSize, imageSize],
    padding: 'tf',
    epsilon: 1e-3,
    momentum: 0.999,
    stemChannels: makeDivisible(32 * width),
    stemExpansion: false,
    stemResidual: true,
    stemOutput: stemOutput!,
    blocks: channels.map((count, index) => ({
      expanded: 6 * (channels[index - 1] ?? stemOutput!),
      channels: count,
      stride: strides[index]!,
    })),
    stages: standardStages,
    topChannels: width > 1 ? makeDivisible(1280 * width) : 1280,
  };
}
