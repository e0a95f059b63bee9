import { TransferKitError } from '../errors.js';
import type { JsonObject, JsonValue } from '../common/json.js';
import type { ImageRecipe } from './image-recipe.js';
import type { Interpolation } from './resize.js';

/** Averages and deviations of ImageNet, RGB, 0 to 1. */
const imageNetMean = [0.485, 0.456, 0.406] as const;
const imageNetStd = [0.229, 0.224, 0.225] as const;

/** What torchvision's evaluation presets are made from. */
export interface TorchvisionPreset {
  /** The shorter side is brought to this. */
  readonly resize: number;
  /** Then this square is cut from the middle. */
  readonly crop: number;
  /** Default `bilinear`. */
  readonly interpolation?: Interpolation;
  /** Default: ImageNet's. */
  readonly mean?: readonly [number, number, number];
  /** Default: ImageNet's. */
  readonly std?: readonly [number, number, number];
}

/**
 * The recipe of torchvision's `ImageClassification` preset.
 * @source torchvision `transforms/_presets.py`
 */
export function imageRecipeFromTorchvision(preset: TorchvisionPreset): ImageRecipe {
  const { resize, crop, interpolation = 'bilinear', mean = imageNetMean, std = imageNetStd } = preset;
  return {
    kind: 'image',
    resize: { mode: 'shortest-edge', size: resize, interpolation, antialias: true },
    crop: { height: crop, width: crop, rounding: 'half-even' },
    scale: 1 / 255,
    mean,
    std,
    channelOrder: 'rgb',
  };
}

function bad(field: string, expected: string, received: JsonValue | undefined, origin: string): TransferKitError {
  const shown = received === undefined ? 'nothing' : JSON.stringify(received);
  return new TransferKitError(
    'bad-config',
    `${origin}: pretrained_cfg "${field}" is not supported.\n  Expected: ${expected}\n  Received: ${shown}`,
    {
      details: { field, received, origin },
    },
  );
}

function isTriple(value: JsonValue | undefined): value is readonly [number, number, number] {
  return Array.isArray(value) && value.length === 3 && value.every((number) => typeof number === 'number');
}

function triple(
  config: JsonObject,
  field: string,
  fallback: readonly [number, number, number],
  origin: string,
): readonly [number, number, number] {
  const value = config[field] ?? fallback;
  if (!isTriple(value)) throw bad(field, 'three numbers', value, origin);
  return value;
}

const interpolations = ['nearest', 'bilinear', 'bicubic', 'lanczos', 'box', 'hamming'];

function interpolationOf(config: JsonObject, origin: string): Interpolation {
  const value = config['interpolation'] ?? 'bilinear';
  if (typeof value === 'string' && interpolations.includes(value)) return value as Interpolation;
  throw bad('interpolation', interpolations.join(', '), value, origin);
}

/** timm's way from the size of the input to the size before the crop. */
function scaledSize(side: number, config: JsonObject, origin: string): number {
  const share = config['crop_pct'] ?? 0.875;
  if (typeof share === 'number' && share > 0 && share <= 1) return Math.floor(side / share);
  throw bad('crop_pct', 'a number above 0, at most 1', share, origin);
}

/**
 * The recipe that timm's `pretrained_cfg` describes (`input_size`, `interpolation`, `crop_pct`, `crop_mode`, `mean`, `std`);
 * its other fields speak of files and heads.
 *
 * @throws TransferKitError `bad-config` naming the field.
 * @source timm `data/transforms_factory.py`, evaluation
 */
export function imageRecipeFromTimm(config: JsonObject, origin = 'config.json'): ImageRecipe {
  const size = config['input_size'];
  if (!isTriple(size) || size[0] !== 3 || size[1] !== size[2]) throw bad('input_size', '[3, side, side]', size, origin);
  const [, height, width] = size;
  const mode = config['crop_mode'] ?? 'center';
  if (mode !== 'center' && mode !== 'squash') throw bad('crop_mode', 'center or squash', mode, origin);
  const before = scaledSize(height, config, origin);
  const common = { interpolation: interpolationOf(config, origin), antialias: true };
  return {
    kind: 'image',
    resize:
      mode === 'center'
        ? { ...common, mode: 'shortest-edge', size: before }
        : { ...common, mode: 'stretch', height: before, width: before },
    crop: { height, width, rounding: 'half-even' },
    scale: 1 / 255,
    mean: triple(config, 'mean', imageNetMean, origin),
    std: triple(config, 'std', imageNetStd, origin),
    channelOrder: 'rgb',
  };
}
