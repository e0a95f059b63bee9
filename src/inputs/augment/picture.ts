import type { RgbImage } from '../../runtimes/runtime.js';

/** A picture whose pixels may be written: 8-bit RGB, row-major. */
export interface Picture extends RgbImage {
  readonly data: Uint8Array;
}

/** A copy that may be changed without the original noticing. */
export const pictureOf = ({ width, height, data }: RgbImage): Picture => ({ width, height, data: new Uint8Array(data) });
