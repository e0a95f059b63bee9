import type { Random } from '../../common/random.js';
import type { Region } from '../resize.js';

/** Which rectangles may be drawn: their share of the area, and width to height. */
export interface RegionBounds {
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** A number of a range. */
export const uniform = (random: Random, least: number, most: number): number => least + (most - least) * random.next();

const attempts = 10;

/**
 * A random rectangle inside a picture: its area is spread evenly over the bounds, its ratio evenly on a logarithmic scale.
 * Undefined where ten draws give none that fits.
 * @source torchvision `RandomResizedCrop.get_params`
 */
export function drawRegion(width: number, height: number, { scale, ratio }: RegionBounds, random: Random): Region | undefined {
  for (let attempt = 0; attempt < attempts; attempt++) {
    const area = width * height * uniform(random, scale[0], scale[1]);
    const shape = Math.exp(uniform(random, Math.log(ratio[0]), Math.log(ratio[1])));
    const across = Math.round(Math.sqrt(area * shape));
    const down = Math.round(Math.sqrt(area / shape));
    if (across < 1 || down < 1 || across > width || down > height) continue;
    const top = random.integer(height - down + 1);
    return { top, left: random.integer(width - across + 1), height: down, width: across };
  }
  return undefined;
}

/** The largest rectangle in the middle whose ratio is within bounds. */
export function middleRegion(width: number, height: number, [narrowest, widest]: readonly [number, number]): Region {
  const across = Math.min(width, Math.max(1, Math.round(height * widest)));
  const down = Math.min(height, Math.max(1, Math.round(width / narrowest)));
  return { top: Math.floor((height - down) / 2), left: Math.floor((width - across) / 2), height: down, width: across };
}
