/**
 * Changes of colour with the numbers of Pillow and torchvision. All write into the picture that they are given.
 *
 * @source Pillow `ImageOps` and `ImageEnhance`; torchvision `transforms.functional`
 */
import type { Picture } from './picture.js';

/** What each byte becomes. */
type ByteTable = Uint8Array;

const clampByte = (value: number): number => (value <= 0 ? 0 : value >= 255 ? 255 : Math.trunc(value));

const tableOf = (become: (byte: number) => number): ByteTable => Uint8Array.from({ length: 256 }, (_, byte) => clampByte(become(byte)));

/** Looks every byte up; one table a channel. */
function lookUp({ data }: Picture, [red, green, blue]: readonly [ByteTable, ByteTable, ByteTable]): void {
  for (let index = 0; index < data.length; index += 3) {
    data[index] = red[data[index]!]!;
    data[index + 1] = green[data[index + 1]!]!;
    data[index + 2] = blue[data[index + 2]!]!;
  }
}

function lookUpAll(picture: Picture, table: ByteTable): void {
  lookUp(picture, [table, table, table]);
}

/** Luminance of ITU-R 601 in Pillow's integer arithmetic, 0 to 255. */
const grey = (red: number, green: number, blue: number): number => (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16;

/** How often each byte occurs in a channel: [256]. */
function histogram({ data }: Picture, channel: number): Uint32Array {
  const counts = new Uint32Array(256);
  for (let index = channel; index < data.length; index += 3) counts[data[index]!]!++;
  return counts;
}

/** One table for each channel, made from its histogram. */
function byHistogram(picture: Picture, make: (counts: Uint32Array) => ByteTable): void {
  lookUp(picture, [make(histogram(picture, 0)), make(histogram(picture, 1)), make(histogram(picture, 2))]);
}

/** @param factor 0 is black, 1 changes nothing */
export function adjustBrightness(picture: Picture, factor: number): void {
  lookUpAll(
    picture,
    tableOf((byte) => byte * factor),
  );
}

/** @param factor 0 is the mean grey everywhere, 1 changes nothing */
export function adjustContrast(picture: Picture, factor: number): void {
  const { data } = picture;
  let sum = 0;
  for (let index = 0; index < data.length; index += 3) sum += grey(data[index]!, data[index + 1]!, data[index + 2]!);
  const mean = Math.floor(sum / (data.length / 3) + 0.5);
  lookUpAll(
    picture,
    tableOf((byte) => mean + factor * (byte - mean)),
  );
}

/** @param factor 0 is greyscale, 1 changes nothing */
export function adjustSaturation({ data }: Picture, factor: number): void {
  for (let index = 0; index < data.length; index += 3) {
    const level = grey(data[index]!, data[index + 1]!, data[index + 2]!);
    for (let place = index; place < index + 3; place++) data[place] = clampByte(level + factor * (data[place]! - level));
  }
}

/** Where a colour lies on the circle, 0 up to 6; `chroma` is not 0. */
function hueOf(red: number, green: number, blue: number, most: number, chroma: number): number {
  if (most === red) return (green - blue) / chroma;
  return most === green ? 2 + (blue - red) / chroma : 4 + (red - green) / chroma;
}

/** How far a channel lies below the largest, in chromas, for a place on the circle of 0 up to 6. */
function depth(place: number): number {
  const nearest = Math.min(place, 4 - place);
  return nearest <= 0 ? 0 : nearest >= 1 ? 1 : nearest;
}

const wrap = (place: number): number => (place < 0 ? place + 6 : place >= 6 ? place - 6 : place);

/** @param shift along the colour circle, as a share of it, -0.5 to 0.5; 0 changes nothing */
export function adjustHue({ data }: Picture, shift: number): void {
  for (let index = 0; index < data.length; index += 3) {
    const red = data[index]!;
    const green = data[index + 1]!;
    const blue = data[index + 2]!;
    const most = Math.max(red, green, blue);
    const chroma = most - Math.min(red, green, blue);
    if (chroma === 0) continue;
    const hue = wrap(hueOf(red, green, blue, most, chroma) + shift * 6);
    data[index] = most - chroma * depth(wrap(hue + 5)) + 0.5;
    data[index + 1] = most - chroma * depth(wrap(hue + 3)) + 0.5;
    data[index + 2] = most - chroma * depth(wrap(hue + 1)) + 0.5;
  }
}

/** Keeps the upper bits of each byte, 1 to 8. */
export function posterize(picture: Picture, bits: number): void {
  const mask = 0xff & ~((1 << (8 - bits)) - 1);
  lookUpAll(
    picture,
    tableOf((byte) => byte & mask),
  );
}

/** Inverts what is at or above a threshold, 0 to 256. */
export function solarize(picture: Picture, threshold: number): void {
  lookUpAll(
    picture,
    tableOf((byte) => (byte < threshold ? byte : 255 - byte)),
  );
}

/** Stretches each channel from black to full. */
export function autocontrast(picture: Picture): void {
  byHistogram(picture, (counts) => {
    const darkest = counts.findIndex((count) => count > 0);
    const lightest = counts.findLastIndex((count) => count > 0);
    const scale = lightest > darkest ? 255 / (lightest - darkest) : 1;
    return tableOf((byte) => (lightest > darkest ? byte * scale - darkest * scale : byte));
  });
}

/** Makes all values of a channel about equally frequent. */
export function equalize(picture: Picture): void {
  byHistogram(picture, (counts) => {
    const last = counts.findLast((count) => count > 0) ?? 0;
    const step = Math.floor((picture.width * picture.height - last) / 255);
    if (step === 0) return tableOf((byte) => byte);
    let seen = Math.floor(step / 2);
    return tableOf((byte) => {
      const level = Math.floor(seen / step);
      seen += counts[byte]!;
      return level;
    });
  });
}

/** Pillow's smoothing filter at one byte: the middle counts 5, its eight neighbours 1, of 13. */
function smoothed(data: Uint8Array, index: number, stride: number): number {
  const above = index - stride;
  const below = index + stride;
  const sum =
    (data[above - 3]! + data[above]! + data[above + 3]!) +
    (data[index - 3]! + 5 * data[index]! + data[index + 3]!) +
    (data[below - 3]! + data[below]! + data[below + 3]!); // prettier-ignore
  return Math.floor(sum / 13 + 0.5);
}

/** @param factor 0 is smoothed, 1 changes nothing; the outermost pixels stay */
export function adjustSharpness({ width, height, data }: Picture, factor: number): void {
  const stride = width * 3;
  const original = new Uint8Array(data);
  for (let row = 1; row < height - 1; row++) {
    for (let index = row * stride + 3; index < (row + 1) * stride - 3; index++) {
      const soft = smoothed(original, index, stride);
      data[index] = clampByte(soft + factor * (original[index]! - soft));
    }
  }
}
