import type { JsonObject } from '../common/json.js';
import type { ImageRecipe, ImageResize } from '../inputs/image-recipe.js';

/** Numbers of the channels in the order red, green, blue. */
export const rgb = (triple: readonly number[], order: ImageRecipe['channelOrder']): number[] =>
  order === 'bgr' ? [...triple].reverse() : [...triple];

/** PIL's numbers of the filters. */
const filters = { nearest: 0, lanczos: 1, bilinear: 2, bicubic: 3, box: 4, hamming: 5 } as const;

function resizeFields(resize: ImageResize | null): JsonObject {
  if (resize === null) return { do_resize: false };
  const size = resize.mode === 'shortest-edge' ? { shortest_edge: resize.size } : { height: resize.height, width: resize.width };
  return { do_resize: true, size, resample: filters[resize.interpolation] };
}

/**
 * A recipe as the `preprocessor_config.json` of transformers. Channels are red, green, blue: networks that take them the other way
 * round are exported with a graph that turns them.
 * @source transformers `CLIPImageProcessor`, whose steps are resize, centre crop, rescale and normalise
 */
export function preprocessorConfig({ resize, crop, scale, mean, std, channelOrder }: ImageRecipe): JsonObject {
  const normalizes = mean.some((value) => value !== 0) || std.some((value) => value !== 1);
  return {
    image_processor_type: 'CLIPImageProcessor',
    ...resizeFields(resize),
    ...(crop === null ? { do_center_crop: false } : { do_center_crop: true, crop_size: { height: crop.height, width: crop.width } }),
    ...(scale === 1 ? { do_rescale: false } : { do_rescale: true, rescale_factor: scale }),
    do_normalize: normalizes,
    image_mean: rgb(mean, channelOrder),
    image_std: rgb(std, channelOrder),
    do_convert_rgb: true,
  };
}
