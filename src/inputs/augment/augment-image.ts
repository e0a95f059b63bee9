import type { Random } from '../../common/random.js';
import type { RgbImage } from '../../runtimes/runtime.js';
import type { Region } from '../resize.js';
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from './color-operations.js';
import { mirror, movePixels, rotation } from './move-pixels.js';
import { pictureOf, type Picture } from './picture.js';
import { applyPolicy } from './random-policy.js';
import { drawRegion, middleRegion, uniform } from './random-region.js';
import type { ImageAugmentation } from './recipe.js';

/** Width to height of a crop, unless said otherwise. */
const cropRatio = [3 / 4, 4 / 3] as const;
/** Share of the area and width to height of an erased rectangle, unless said otherwise. */
const eraseBounds = { scale: [0.02, 0.33], ratio: [0.3, 3.3] } as const;

/** The part of a photo that is kept; undefined where the augmentation does not crop. */
export function drawCrop({ width, height }: RgbImage, { crop }: ImageAugmentation, random: Random): Region | undefined {
  if (crop === undefined) return undefined;
  const { scale, ratio = cropRatio } = crop;
  return drawRegion(width, height, { scale, ratio }, random) ?? middleRegion(width, height, ratio);
}

/** Brightness, contrast, saturation, hue, in this order. */
function changeColors(picture: Picture, color: NonNullable<ImageAugmentation['color']>, random: Random): void {
  const { brightness, contrast, saturation, hue } = color;
  const factor = (change: number): number => uniform(random, 1 - change, 1 + change);
  if (brightness !== undefined) adjustBrightness(picture, factor(brightness));
  if (contrast !== undefined) adjustContrast(picture, factor(contrast));
  if (saturation !== undefined) adjustSaturation(picture, factor(saturation));
  if (hue !== undefined) adjustHue(picture, uniform(random, -hue, hue));
}

/** Flip, rotation, policy and colour of a photo that has its size already. The photo itself stays as it is. */
export function changePixels(image: RgbImage, augmentation: ImageAugmentation, random: Random): RgbImage {
  const { flip, rotate, policy, color } = augmentation;
  let picture = pictureOf(image);
  if (flip !== undefined && random.next() < flip) mirror(picture);
  if (rotate !== undefined) picture = movePixels(picture, rotation(uniform(random, -rotate, rotate)));
  if (policy !== undefined) picture = applyPolicy(picture, policy, random);
  if (color !== undefined) changeColors(picture, color, random);
  return picture;
}

/**
 * Blanks a rectangle, in place: 0, which is the recipe's mean.
 * @param values normalised, float32 [height, width, 3]
 * @source "Random Erasing Data Augmentation", Zhong et al. 2017
 */
export function eraseValues(values: Float32Array, height: number, width: number, { erase }: ImageAugmentation, random: Random): void {
  if (erase === undefined || random.next() >= erase.probability) return;
  const { scale, ratio } = { ...eraseBounds, ...erase };
  const region = drawRegion(width, height, { scale, ratio }, random);
  if (region === undefined) return;
  for (let row = region.top; row < region.top + region.height; row++)
    values.fill(0, (row * width + region.left) * 3, (row * width + region.left + region.width) * 3);
}
