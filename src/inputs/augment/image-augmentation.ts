import { TransferKitError } from '../../errors.js';
import { between, checkMembers, frozenCopy, rangeWithin, wholeBetween, type MemberRule } from './check-members.js';
import type { ImageAugmentation } from './recipe.js';

/** What `imageAugmentation` takes: the members of an `ImageAugmentation`, each left out where it is not wanted. */
export type ImageAugmentationOptions = Omit<ImageAugmentation, 'kind'>;

/** Names of ready-made augmentations of photos. */
export type ImageAugmentationPreset = 'light' | 'strong';

const light: ImageAugmentationOptions = {
  crop: { scale: [0.5, 1] },
  flip: 0.5,
  color: { brightness: 0.1, contrast: 0.1, saturation: 0.1 },
};

const presets: Readonly<Record<ImageAugmentationPreset, ImageAugmentationOptions>> = {
  light,
  strong: {
    ...light,
    crop: { scale: [0.35, 1] },
    policy: { operations: 2, magnitude: 3 }, // torchvision's RandAugment(2, 9), which counts to 30
    erase: { probability: 0.25 },
  },
};

/** An object whose members are looked at by rules of their own. */
const anObject: MemberRule = {
  expected: 'an object',
  holds: (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
};

/** Shares of an area: above 0, or there would be nothing to see. */
const area = rangeWithin(0.001, 1);

const rules: Readonly<Record<string, MemberRule>> = {
  kind: { expected: '"image"', holds: (value) => value === 'image' },
  crop: anObject,
  flip: between(0, 1),
  rotate: between(0, 180, ' degrees'),
  color: anObject,
  policy: anObject,
  erase: anObject,
};

/** Members that are objects: their own rules, and what may not be missing. */
const parts: Readonly<Record<string, { readonly rules: Readonly<Record<string, MemberRule>>; readonly required: readonly string[] }>> = {
  crop: { rules: { scale: area, ratio: rangeWithin(0.05, 20) }, required: ['scale'] },
  color: {
    rules: { brightness: between(0, 1), contrast: between(0, 1), saturation: between(0, 1), hue: between(0, 0.5) },
    required: [],
  },
  policy: { rules: { operations: wholeBetween(1, 16), magnitude: between(0, 10) }, required: ['operations', 'magnitude'] },
  erase: { rules: { probability: between(0, 1), scale: area }, required: ['probability'] },
};

function optionsOf(given: ImageAugmentationOptions | ImageAugmentationPreset): unknown {
  if (typeof given !== 'string') return given;
  if (Object.hasOwn(presets, given)) return presets[given];
  throw new TransferKitError(
    'bad-option',
    `imageAugmentation has no preset "${given as string}".\n  Known: ${Object.keys(presets).join(', ')}`,
  );
}

/**
 * Random changes of training photos, as frozen plain data that is saved with the model. Each change is left out where its member
 * is. They are made in this order, whatever the order of the members: crop, flip, rotate, policy, colour, erase.
 *
 * `'light'` crops half of the area or more, mirrors, and varies colours slightly: right for most photos. `'strong'` crops down to a
 * third, adds two operations of RandAugment and blanks a rectangle in every fourth photo: for long training of many layers. Leave
 * `flip` out where left and right matter, such as letters.
 *
 * @throws TransferKitError `bad-option` naming the member that does not exist, is missing or is out of range
 * @source RandAugment: Cubuk et al. 2019; random erasing: Zhong et al. 2017
 * @example
 * ```ts
 * import { imageAugmentation } from 'transferkit';
 *
 * const usual = imageAugmentation('light');
 * const mine = imageAugmentation({ crop: { scale: [0.6, 1] }, flip: 0.5, rotate: 10, color: { hue: 0.02 } });
 * console.log(JSON.stringify(mine));
 * ```
 */
export function imageAugmentation(options: ImageAugmentationOptions | ImageAugmentationPreset = 'light'): ImageAugmentation {
  const members = checkMembers('imageAugmentation', optionsOf(options), rules);
  const checked = Object.entries(members).map(([name, member]) => {
    const part = parts[name];
    return [name, part === undefined ? member : checkMembers(`imageAugmentation ${name}`, member, part.rules, part.required)];
  });
  return frozenCopy({ ...(Object.fromEntries(checked) as ImageAugmentationOptions), kind: 'image' });
}
