import type { InputRecipe } from './input.js';
import type { Interpolation } from './resize.js';

/** How a picture is brought to size. */
export type ImageResize = {
  readonly interpolation: Interpolation;
  /** Widen the filter when shrinking, as PIL does. */
  readonly antialias: boolean;
} & (
  | {
      /** The shorter side becomes `size`; the longer one keeps the proportion, its fraction cut off. */
      readonly mode: 'shortest-edge';
      readonly size: number;
    }
  | {
      /** Both sides as given, whatever the proportion. */
      readonly mode: 'stretch';
      readonly height: number;
      readonly width: number;
    }
);

/** The middle of a picture. A smaller picture is set into the middle of black. */
export type ImageCrop = {
  readonly height: number;
  readonly width: number;
  /**
   * Where an odd pixel goes, which libraries decide differently. `floor`: cut towards the top left, padded before it
   * (transformers). `half-even`: cut at the even neighbour, padded behind it (torchvision).
   */
  readonly rounding: 'floor' | 'half-even';
};

/**
 * How a picture becomes numbers: orient, resize, crop, then `(pixel * scale - mean) / std` for each channel.
 * Plain JSON, saved with the model. Result: float32 [height, width, 3].
 */
export type ImageRecipe = InputRecipe & {
  readonly kind: 'image';
  readonly resize: ImageResize | null;
  readonly crop: ImageCrop | null;
  /** 1/255 for networks that take 0 to 1. */
  readonly scale: number;
  /** After scaling, in the order of `channelOrder`. */
  readonly mean: readonly [number, number, number];
  /** After scaling, in the order of `channelOrder`. */
  readonly std: readonly [number, number, number];
  readonly channelOrder: 'rgb' | 'bgr';
  /** Caps that differ from the defaults. */
  readonly limits?: { readonly maxBytes?: number; readonly maxPixels?: number };
};

/** Height and width of what a recipe gives; null where they follow the picture. */
export function recipeSize(recipe: ImageRecipe): readonly [height: number | null, width: number | null] {
  if (recipe.crop !== null) return [recipe.crop.height, recipe.crop.width];
  return recipe.resize?.mode === 'stretch' ? [recipe.resize.height, recipe.resize.width] : [null, null];
}
