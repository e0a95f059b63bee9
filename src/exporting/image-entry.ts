import * as tf from '@tensorflow/tfjs-core';
import { TransferKitError } from '../errors.js';
import { checkImageRecipe } from '../inputs/check-image-recipe.js';
import { recipeSize, type ImageRecipe } from '../inputs/image-recipe.js';
import { jsonBytes } from '../saving/saved-parts.js';
import type { ExportEntry } from './entry.js';
import type { ExportSubject } from './export-subject.js';
import { preprocessorConfig, rgb } from './preprocessor-config.js';

/** Height and width that the network takes. @throws TransferKitError `unsupported` where they follow the picture */
function pictureSize({ base }: ExportSubject, recipe: ImageRecipe): [height: number, width: number] {
  const own = base.parts.built.model.inputs[0]!.shape;
  const [height, width] = recipeSize(recipe).map((side, index) => side ?? own[index + 1] ?? null);
  if (typeof height === 'number' && typeof width === 'number') return [height, width];
  throw new TransferKitError(
    'unsupported',
    `pictures of ${base.parts.family.name} have no size of their own, and an exported network takes pictures of one size.\n` +
      `  Expected: an input recipe with a crop, or a resize with height and width\n  Received: ${JSON.stringify({ resize: recipe.resize, crop: recipe.crop })}\n` +
      `  Fix: load it with loadPretrained({ source, input: { crop: { height: 224, width: 224, rounding: 'floor' } } }).`,
    { details: { resize: recipe.resize, crop: recipe.crop } },
  );
}

function notesOf({ resize, crop }: ImageRecipe): string[] {
  const notes: string[] = [];
  if (resize !== null) notes.push('Photos are resized by the library that loads this folder; its filter moves scores by a little.');
  if (resize?.antialias === false) notes.push('TransferKit resizes without antialiasing, which preprocessor_config.json cannot say.');
  if (crop?.rounding === 'half-even') notes.push('Where a crop leaves an odd pixel over, the picture may be one pixel aside.');
  return notes;
}

function preparationOf({ scale, mean, std, channelOrder }: ImageRecipe, [height, width]: readonly [number, number]): string {
  const order = channelOrder === 'bgr' ? ' The graph reverses the channels itself.' : '';
  const [means, spreads] = [mean, std].map((triple) => rgb(triple, channelOrder).join(', '));
  return `RGB pixels [batch, 3, ${height}, ${width}], each (byte * ${scale} - mean) / std with mean [${means}] and std [${spreads}].${order}`;
}

/** Normalised RGB pixels with channels first, as transformers makes them; the network takes channels last. */
export function imageEntry(subject: ExportSubject): ExportEntry {
  const recipe = checkImageRecipe(subject.base.parts.processor.recipe);
  const size = pictureSize(subject, recipe);
  return {
    inputs: [{ name: 'pixel_values', type: 'float32', shape: ['batch', 3, ...size] }],
    enter: ([pixels]) => {
      const ordered = recipe.channelOrder === 'bgr' ? tf.reverse(pixels!, 1) : pixels!;
      return [tf.transpose(ordered, [0, 2, 3, 1])]; // [batch, height, width, 3]
    },
    files: new Map([['preprocessor_config.json', jsonBytes(preprocessorConfig(recipe))]]),
    preparation: preparationOf(recipe, size),
    notes: notesOf(recipe),
  };
}
