import { imageProcessor, imageRecipeFromHuggingFace, imageRecipeFromTimm, imageRecipeFromTorchvision } from '../inputs/image.js';
import type { ImageRecipe } from '../inputs/image.js';
import type { Checkpoint } from '../sources/source.js';
import { parseJsonObject } from '../weights/read-json.js';
import { defineBackbone } from './backbone.js';
import { isObject } from './keras-graph/read-topology.js';
import { buildMobileNetV2 } from './mobilenet-v2/build.js';
import { mobilenetV2Config } from './mobilenet-v2/config.js';
import type { MobileNetV2Config } from './mobilenet-v2/config.js';
import { ecosystemOf, parseMobileNetV2 } from './mobilenet-v2/parse.js';
import { mobilenetV2Tables } from './mobilenet-v2/tables.js';

export { mobilenetV2Config } from './mobilenet-v2/config.js';
export type { MobileNetV2Block, MobileNetV2Config, MobileNetV2Options } from './mobilenet-v2/config.js';

/** -1 to 1, the whole picture brought to the size of the network: what Keras's and Teachable Machine's MobileNetV2 were trained on. */
function stretched([height, width]: readonly [number, number]): ImageRecipe {
  return {
    kind: 'image',
    resize: { mode: 'stretch', height, width, interpolation: 'bilinear', antialias: true },
    crop: null,
    scale: 1 / 127.5,
    mean: [1, 1, 1],
    std: [1, 1, 1],
    channelOrder: 'rgb',
  };
}

/** transformers' habit where no preprocessor_config.json says otherwise. */
const huggingFaceHabit = ([side]: readonly [number, number]): ImageRecipe => ({
  ...imageRecipeFromTorchvision({ resize: Math.floor((side * 256) / 224), crop: side, mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] }),
  crop: { height: side, width: side, rounding: 'floor' },
});

/**
 * How photos are prepared: as `preprocessor_config.json` or timm's `pretrained_cfg` says. torchvision writes neither down, so its
 * first weights are assumed (resize 256, crop 224); the newer ones want `input: { resize: { ..., size: 232 } }`.
 */
async function input(config: MobileNetV2Config, checkpoint: Checkpoint): Promise<ImageRecipe> {
  const file = await checkpoint.file('preprocessor_config.json');
  if (file !== undefined)
    return imageRecipeFromHuggingFace(parseJsonObject(file, 'preprocessor_config.json', 'bad-config'), checkpoint.origin);
  const ecosystem = ecosystemOf(checkpoint);
  const { pretrained_cfg: pretrained } = checkpoint.config;
  if (ecosystem === 'timm' && isObject(pretrained)) return imageRecipeFromTimm(pretrained, checkpoint.origin);
  if (ecosystem === 'huggingface') return huggingFaceHabit(config.imageSize);
  const [side] = config.imageSize;
  return ecosystem?.startsWith('keras')
    ? stretched(config.imageSize)
    : imageRecipeFromTorchvision({ resize: Math.floor((side * 256) / 224), crop: side });
}

/** As the smallest width allows, and one block of each kind: with and without stride, with and without shortcut. */
const tinyConfig: MobileNetV2Config = {
  ...mobilenetV2Config({ width: 0.05, imageSize: 32 }),
  blocks: [
    { expanded: 16, channels: 8, stride: 2 },
    { expanded: 16, channels: 8, stride: 1 },
    { expanded: 16, channels: 16, stride: 2 },
  ],
  stages: [1, 2, 1],
  topChannels: 32,
};

/**
 * MobileNetV2 of any width, for photos of any size: `stem` (the first convolution and the block without expansion), `block-1` to
 * `block-16` as Keras counts them, `top`.
 *
 * Loads checkpoints of transformers, timm and torchvision, and tfjs exports of Keras and Teachable Machine (whose heads are left out).
 * Features: `pooled` [batch, features] and `map` [batch, height / 32, width / 32, features]; 1280 features up to width 1.
 *
 * @source Sandler et al. 2018, "MobileNetV2: Inverted Residuals and Linear Bottlenecks"
 * @example
 * ```ts
 * import { loadPretrained } from 'transferkit';
 * import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
 *
 * const base = await loadPretrained({ backbone: mobilenetV2, source: 'hf://google/mobilenet_v2_1.0_224' });
 * console.log(base.groups.length); // 18
 * ```
 */
export const mobilenetV2 = defineBackbone<MobileNetV2Config, 'image'>({
  apiVersion: 1,
  name: 'mobilenet-v2',
  modality: 'image',
  matches: (checkpoint) => ecosystemOf(checkpoint) !== undefined,
  parse: parseMobileNetV2,
  build: buildMobileNetV2,
  weights: mobilenetV2Tables,
  input,
  processor: imageProcessor,
  transformersType: { modelType: 'mobilenet_v2', className: 'MobileNetV2' },
  tiny: { config: tinyConfig, input: stretched([32, 32]) },
});
