import { TransferKitError } from '../errors.js';
import type { JsonObject, JsonValue } from '../common/json.js';
import type { ImageCrop, ImageRecipe, ImageResize } from './image-recipe.js';
import type { Interpolation } from './resize.js';

/** PIL's numbers for its filters. */
const filters: readonly Interpolation[] = ['nearest', 'lanczos', 'bilinear', 'bicubic', 'box', 'hamming'];

/** Fields that are read below. */
const used = [
  'do_resize',
  'size',
  'resample',
  'do_center_crop',
  'crop_size',
  'do_rescale',
  'rescale_factor',
  'do_normalize',
  'image_mean',
  'image_std',
];

/** Fields that do not change the numbers of one picture: names, tensor formats, and things that are done in any case. */
const irrelevant = [
  'image_processor_type',
  'feature_extractor_type',
  'processor_class',
  'image_processor_class',
  '_processor_class',
  'transformers_version',
  '_commit_hash',
  'auto_map',
  'data_format',
  'input_data_format',
  'return_tensors',
  'device',
  'disable_grouping',
  'do_convert_rgb',
  'do_convert_annotations',
  'model_input_names',
  '_valid_processor_keys',
  'image_seq_length',
  'do_reduce_labels',
  'reduce_labels',
  'default_to_square',
];

/** Steps that we do not take: fine while they are off. */
const mustBeOff = [
  'do_pad',
  'do_flip_channel_order',
  'do_thumbnail',
  'do_align_long_axis',
  'do_split_image',
  'do_color_quantize',
  'do_pan_and_scan',
  'pad_size',
  'size_divisor',
  'resize_do_pad',
  'include_top',
  'offset',
];

function bad(field: string, expected: string, received: JsonValue | undefined, origin: string): TransferKitError {
  const shown = received === undefined ? 'nothing' : JSON.stringify(received);
  return new TransferKitError('bad-config', `${origin}: "${field}" is not supported.\n  Expected: ${expected}\n  Received: ${shown}`, {
    details: { field, received, origin },
  });
}

function checkFields(config: JsonObject, origin: string): void {
  for (const [field, value] of Object.entries(config)) {
    if (used.includes(field) || irrelevant.includes(field) || value === null || value === undefined) continue;
    if (!mustBeOff.includes(field)) throw bad(field, `one of ${used.join(', ')}`, value, origin);
    if (value !== false) throw bad(field, 'false or null', value, origin);
  }
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** `{ height, width }` from a number or an object. */
function sides(value: JsonValue | undefined): { height: number; width: number } | undefined {
  if (typeof value === 'number') return { height: value, width: value };
  if (!isObject(value) || typeof value['height'] !== 'number' || typeof value['width'] !== 'number') return undefined;
  return { height: value['height'], width: value['width'] };
}

/** In old files `size` is a bare number: the shorter side where a crop follows or squares are ruled out, else a square. */
function shortestEdge(config: JsonObject): number | undefined {
  const { size } = config;
  if (isObject(size))
    return typeof size['shortest_edge'] === 'number' && Object.keys(size).length === 1 ? size['shortest_edge'] : undefined;
  const keepsShape = config['default_to_square'] === false || (config['default_to_square'] !== true && config['do_center_crop'] === true);
  return typeof size === 'number' && keepsShape ? size : undefined;
}

function resizeOf(config: JsonObject, origin: string): ImageResize | null {
  if (config['do_resize'] === false) return null;
  const resample = config['resample'] ?? 2;
  const interpolation = typeof resample === 'number' ? filters[resample] : undefined;
  if (interpolation === undefined) throw bad('resample', 'a number from 0 to 5', resample, origin);
  const common = { interpolation, antialias: true };
  const size = shortestEdge(config);
  if (size !== undefined) return { ...common, mode: 'shortest-edge', size };
  const square = sides(config['size']);
  if (square === undefined) throw bad('size', '{ shortest_edge } or { height, width }', config['size'], origin);
  return { ...common, mode: 'stretch', ...square };
}

function cropOf(config: JsonObject, origin: string): ImageCrop | null {
  if (config['do_center_crop'] !== true) return null;
  const size = sides(config['crop_size'] ?? config['size']);
  if (size === undefined) throw bad('crop_size', 'a number or { height, width }', config['crop_size'], origin);
  return { ...size, rounding: 'floor' };
}

/** Three numbers, or one for all three. */
function triple(config: JsonObject, field: string, origin: string): [number, number, number] {
  const value = config[field];
  if (typeof value === 'number') return [value, value, value];
  if (Array.isArray(value) && value.length === 3 && value.every((number) => typeof number === 'number'))
    return [...value] as [number, number, number];
  throw bad(field, 'three numbers', value, origin);
}

function factorOf(config: JsonObject, origin: string): number {
  if (config['do_rescale'] === false) return 1;
  const factor = config['rescale_factor'] ?? 1 / 255;
  if (typeof factor !== 'number') throw bad('rescale_factor', 'a number', factor, origin);
  return factor;
}

/**
 * The recipe that a `preprocessor_config.json` describes. Every field is used, checked, or known not to matter.
 *
 * @throws TransferKitError `bad-config` naming the field that is unknown or asks for a step that we do not take.
 * @source transformers `image_transforms.py`: resize, center_crop, rescale, normalize
 */
export function imageRecipeFromHuggingFace(config: JsonObject, origin = 'preprocessor_config.json'): ImageRecipe {
  checkFields(config, origin);
  const normalizes = config['do_normalize'] !== false;
  return {
    kind: 'image',
    resize: resizeOf(config, origin),
    crop: cropOf(config, origin),
    scale: factorOf(config, origin),
    mean: normalizes ? triple(config, 'image_mean', origin) : [0, 0, 0],
    std: normalizes ? triple(config, 'image_std', origin) : [1, 1, 1],
    channelOrder: 'rgb',
  };
}
