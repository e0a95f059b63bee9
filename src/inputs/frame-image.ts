import type { RgbImage } from '../runtimes/runtime.js';
import type { ImageCrop, ImageRecipe, ImageResize } from './image-recipe.js';
import { cutImage, resizeImage, type Region } from './resize.js';

/** Size after resizing, before the crop. */
function resizedSize(image: RgbImage, resize: ImageResize | null): { width: number; height: number } {
  if (resize === null) return { width: image.width, height: image.height };
  if (resize.mode === 'stretch') return { width: resize.width, height: resize.height };
  const [short, long] = image.width <= image.height ? [image.width, image.height] : [image.height, image.width];
  const longSide = Math.trunc((resize.size * long) / short);
  return image.width <= image.height ? { width: resize.size, height: longSide } : { width: longSide, height: resize.size };
}

/** To the nearest whole number, halves to the even one. */
const roundHalfEven = (value: number): number => (value % 1 === 0.5 ? Math.floor(value / 2 + 0.5) * 2 : Math.round(value));

/** Along one axis: which pixels are taken, and where they go in the result. */
function cropAxis(size: number, wanted: number, rounding: ImageCrop['rounding']): { from: number; count: number; to: number } {
  const spare = (size - wanted) / 2;
  if (size >= wanted) return { from: rounding === 'floor' ? Math.floor(spare) : roundHalfEven(spare), count: wanted, to: 0 };
  return { from: 0, count: size, to: rounding === 'floor' ? Math.ceil(-spare) : Math.floor(-spare) };
}

/** A picture of the recipe's size, or a smaller one and where its corner goes. */
export interface FramedImage {
  readonly image: RgbImage;
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly left: number;
}

/** Resizes and crops a picture as its recipe says. */
export function frameImage(image: RgbImage, recipe: ImageRecipe): FramedImage {
  const size = resizedSize(image, recipe.resize);
  const { height, width, rounding } = recipe.crop ?? { ...size, rounding: 'floor' as const };
  const rows = cropAxis(size.height, height, rounding);
  const columns = cropAxis(size.width, width, rounding);
  const region: Region = { top: rows.from, left: columns.from, height: rows.count, width: columns.count };
  const { interpolation, antialias } = recipe.resize ?? { interpolation: 'nearest' as const, antialias: false };
  return { image: resizeImage(image, { ...size, interpolation, antialias, region }), height, width, top: rows.to, left: columns.to };
}

/** How a recipe without a resize brings a part of a picture to size. */
const plainResize = { interpolation: 'bilinear', antialias: true } as const;

/** A part of a picture, resized in one step to the size that the recipe gives for the whole. */
export function frameRegion(image: RgbImage, recipe: ImageRecipe, region: Region): FramedImage {
  const { height, width } = recipe.crop ?? resizedSize(image, recipe.resize);
  const { interpolation, antialias } = recipe.resize ?? plainResize;
  return { image: resizeImage(cutImage(image, region), { height, width, interpolation, antialias }), height, width, top: 0, left: 0 };
}
