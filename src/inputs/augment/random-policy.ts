import type { Random } from '../../common/random.js';
import {
  adjustBrightness,
  adjustContrast,
  adjustSaturation,
  adjustSharpness,
  autocontrast,
  equalize,
  posterize,
  solarize,
} from './color-operations.js';
import { movePixels, rotation, shear, translation } from './move-pixels.js';
import type { Picture } from './picture.js';

/**
 * One change of a policy. It may write into its picture, and gives the changed one.
 * @param strength 0 to 1 of its range
 * @param sign 1 or -1, for changes that go either way
 */
type PolicyOperation = (picture: Picture, strength: number, sign: number) => Picture;

/** Of the width or height. */
const largestTranslation = 150 / 331;

const inPlace =
  (change: (picture: Picture, strength: number, sign: number) => void): PolicyOperation =>
  (picture, strength, sign) => {
    change(picture, strength, sign);
    return picture;
  };

/** From 1 to 0.1 or 1.9. */
const factor = (strength: number, sign: number): number => 1 + sign * strength * 0.9;

/** The changes that are drawn from; their order is part of what a seed means. */
export const policyOperations: Readonly<Record<string, PolicyOperation>> = {
  identity: (picture) => picture,
  shearX: (picture, strength, sign) => movePixels(picture, shear(sign * strength * 0.3, 0)),
  shearY: (picture, strength, sign) => movePixels(picture, shear(0, sign * strength * 0.3)),
  translateX: (picture, strength, sign) =>
    movePixels(picture, translation(sign * Math.trunc(strength * largestTranslation * picture.width), 0)),
  translateY: (picture, strength, sign) =>
    movePixels(picture, translation(0, sign * Math.trunc(strength * largestTranslation * picture.height))),
  rotate: (picture, strength, sign) => movePixels(picture, rotation(sign * strength * 30)),
  brightness: inPlace((picture, strength, sign) => adjustBrightness(picture, factor(strength, sign))),
  color: inPlace((picture, strength, sign) => adjustSaturation(picture, factor(strength, sign))),
  contrast: inPlace((picture, strength, sign) => adjustContrast(picture, factor(strength, sign))),
  sharpness: inPlace((picture, strength, sign) => adjustSharpness(picture, factor(strength, sign))),
  posterize: inPlace((picture, strength) => posterize(picture, 8 - Math.round(strength * 4))),
  solarize: inPlace((picture, strength) => solarize(picture, 255 * (1 - strength))),
  autocontrast: inPlace(autocontrast),
  equalize: inPlace(equalize),
};

const operationList = Object.values(policyOperations);

/**
 * RandAugment: some changes one after another, each drawn from the whole list, all of one strength, those that have a direction
 * either way. Ranges are those of torchvision; a shear keeps the middle of the picture where it is.
 * @source "RandAugment: Practical automated data augmentation with a reduced search space", Cubuk et al. 2019
 */
export function applyPolicy(
  picture: Picture,
  policy: { readonly operations: number; readonly magnitude: number },
  random: Random,
): Picture {
  let changed = picture;
  for (let round = 0; round < policy.operations; round++) {
    const operation = operationList[random.integer(operationList.length)]!;
    const sign = random.next() < 0.5 ? -1 : 1;
    changed = operation(changed, policy.magnitude / 10, sign);
  }
  return changed;
}
