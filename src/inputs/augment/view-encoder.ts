import type { Random } from '../../common/random.js';
import type { RgbImage } from '../../runtimes/runtime.js';
import { frameImage, frameRegion, type FramedImage } from '../frame-image.js';
import type { ImageRecipe } from '../image-recipe.js';
import { createNumbers } from '../image.js';
import type { AugmentedView, EncodedInput } from '../input.js';
import { changePixels, drawCrop, eraseValues } from './augment-image.js';
import { checkAugmentation } from './check-augmentation.js';
import type { ImageAugmentation } from './recipe.js';

/** A random change that has been checked. */
interface ImageChange {
  readonly augmentation: ImageAugmentation;
  readonly random: Random;
}

/** Crop, flip, rotation, policy and colour; the photo comes out at the size that the recipe gives. */
function frameChanged(image: RgbImage, recipe: ImageRecipe, { augmentation, random }: ImageChange): FramedImage {
  const region = drawCrop(image, augmentation, random);
  const framed = region === undefined ? frameImage(image, recipe) : frameRegion(image, recipe, region);
  return { ...framed, image: changePixels(framed.image, augmentation, random) };
}

const checkChange = ({ augmentation, random }: AugmentedView): ImageChange => ({
  augmentation: checkAugmentation(augmentation, 'image') as ImageAugmentation,
  random,
});

/**
 * Applies a recipe to a decoded picture and changes it on the way: one float32 array [height, width, 3]. All draws come from the
 * view's random numbers, in the order crop, flip, rotation, policy, colour, erasing.
 * @throws TransferKitError `bad-option` for an augmentation of texts, or a value out of range
 */
export function createViewEncoder(recipe: ImageRecipe): (image: RgbImage, view: AugmentedView) => EncodedInput {
  const numbersOf = createNumbers(recipe);
  return (image, view) => {
    const change = checkChange(view);
    const framed = frameChanged(image, recipe, change);
    const values = numbersOf(framed);
    eraseValues(values, framed.height, framed.width, change.augmentation, change.random);
    return { arrays: [{ shape: [framed.height, framed.width, 3], values }], length: 1 };
  };
}
