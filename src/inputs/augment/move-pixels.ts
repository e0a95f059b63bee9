import type { Picture } from './picture.js';

/** Mirrors left to right, in place. */
export function mirror({ width, height, data }: Picture): void {
  for (let row = 0; row < height; row++) {
    let left = row * width * 3;
    let right = left + (width - 1) * 3;
    for (; left < right; left += 3, right -= 3) {
      for (let channel = 0; channel < 3; channel++) {
        const kept = data[left + channel]!;
        data[left + channel] = data[right + channel]!;
        data[right + channel] = kept;
      }
    }
  }
}

/**
 * Where the pixel at (x, y) comes from, both counted from the middle of the picture:
 * `(xx * x + xy * y + x0, yx * x + yy * y + y0)`.
 */
export interface Affine {
  readonly xx: number;
  readonly xy: number;
  readonly x0: number;
  readonly yx: number;
  readonly yy: number;
  readonly y0: number;
}

const unmoved: Affine = { xx: 1, xy: 0, x0: 0, yx: 0, yy: 1, y0: 0 };

/** A turn around the middle. @param degrees counter-clockwise */
export function rotation(degrees: number): Affine {
  const angle = (degrees * Math.PI) / 180;
  const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
  return { ...unmoved, xx: cosine, xy: -sine, yx: sine, yy: cosine };
}

/** @param along,across how far a row (a column) is pushed for each pixel that it lies below (right of) the middle */
export const shear = (along: number, across: number): Affine => ({ ...unmoved, xy: along, yx: across });

/** @param right,down in pixels */
export const translation = (right: number, down: number): Affine => ({ ...unmoved, x0: -right, y0: -down });

/** A place inside 0 to `last`: beyond the edge the picture is mirrored, and the pixel at the edge is not repeated. */
function reflect(place: number, last: number): number {
  if (place >= 0 && place <= last) return place;
  if (last === 0) return 0;
  const period = 2 * last;
  const rest = ((place % period) + period) % period;
  return rest > last ? period - rest : rest;
}

const between = (first: number, second: number, part: number): number => first + (second - first) * part;

/**
 * Moves the pixels of a picture by an affine map: bilinear between the old pixels, mirrored beyond the edges, so that no border of
 * an invented colour appears.
 */
export function movePixels(picture: Picture, map: Affine): Picture {
  const { width, height, data } = picture;
  const lastX = width - 1;
  const lastY = height - 1;
  const middleX = lastX / 2;
  const middleY = lastY / 2;
  const result = new Uint8Array(data.length);
  let out = 0;
  for (let row = 0; row < height; row++) {
    const startX = map.xy * (row - middleY) + map.x0 + middleX;
    const startY = map.yy * (row - middleY) + map.y0 + middleY;
    for (let column = 0; column < width; column++, out += 3) {
      const x = startX + map.xx * (column - middleX);
      const y = startY + map.yx * (column - middleX);
      const left = Math.floor(x);
      const top = Math.floor(y);
      const upper = reflect(top, lastY) * width;
      const lower = reflect(top + 1, lastY) * width;
      const before = reflect(left, lastX);
      const after = reflect(left + 1, lastX);
      for (let channel = 0; channel < 3; channel++) {
        const above = between(data[(upper + before) * 3 + channel]!, data[(upper + after) * 3 + channel]!, x - left);
        const below = between(data[(lower + before) * 3 + channel]!, data[(lower + after) * 3 + channel]!, x - left);
        result[out + channel] = between(above, below, y - top) + 0.5;
      }
    }
  }
  return { width, height, data: result };
}
