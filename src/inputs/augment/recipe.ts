/**
 * Random changes of a training photo, as plain data; each is left out where its member is. Applied in this order: crop (else the
 * input recipe's own resize and crop), flip, rotate, policy, colour, then the recipe's normalisation, then erase.
 */
export interface ImageAugmentation {
  readonly kind: 'image';
  /** Random resized crop: share of the area that is kept, and ratio of width to height (each a range). */
  readonly crop?: { readonly scale: readonly [number, number]; readonly ratio?: readonly [number, number] };
  /** Probability of mirroring left to right. */
  readonly flip?: number;
  /** Largest turn in degrees, either way. */
  readonly rotate?: number;
  /** Largest relative change of each; `hue` as a share of the colour circle, up to 0.5. */
  readonly color?: { readonly brightness?: number; readonly contrast?: number; readonly saturation?: number; readonly hue?: number };
  /** RandAugment: `operations` changes drawn from its list, each of a strength from 0 to 10. */
  readonly policy?: { readonly operations: number; readonly magnitude: number };
  /** Probability that a rectangle is blanked (to the recipe's mean), and the share of the area it takes. */
  readonly erase?: { readonly probability: number; readonly scale?: readonly [number, number] };
}

/** Random changes of a training text, as plain data. They act on tokens; special tokens stay. */
export interface TextAugmentation {
  readonly kind: 'text';
  /** Probability with which each token is left out. */
  readonly dropTokens?: number;
  /** A random stretch of the tokens is kept: smallest and largest share of their number. */
  readonly crop?: readonly [number, number];
}

/** Random changes of training inputs, as plain data. */
export type InputAugmentation = ImageAugmentation | TextAugmentation;

/**
 * Mixing of the examples of a batch; needs a head with soft targets. `mixup` and `cutmix` are the alpha of the Beta distribution
 * that the share is drawn from; where both are given each batch takes one of them at random.
 */
export interface MixAugmentation {
  readonly mixup?: number;
  readonly cutmix?: number;
}
