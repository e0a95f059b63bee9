import type { RgbImage } from '../runtimes/runtime.js';

/** How pixels between the old ones are found. */
export type Interpolation = 'nearest' | 'box' | 'bilinear' | 'hamming' | 'bicubic' | 'lanczos';

/** A rectangle of whole pixels. */
export interface Region {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** What to make of a picture. */
export interface ResizeRequest {
  readonly height: number;
  readonly width: number;
  readonly interpolation: Interpolation;
  /** Widen the filter when shrinking, so that every old pixel counts. */
  readonly antialias: boolean;
  /** The part of the result that is wanted; nothing else is computed. Default: all of it. */
  readonly region?: Region;
}

/** A filter: its weight at a distance in pixels, and the distance at which it ends. */
interface Filter {
  readonly support: number;
  readonly weight: (distance: number) => number;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** Keys' cubic with a = -0.5. */
function cubic(x: number): number {
  const distance = Math.abs(x);
  if (distance < 1) return (1.5 * distance - 2.5) * distance * distance + 1;
  return distance < 2 ? ((-0.5 * distance + 2.5) * distance - 4) * distance + 2 : 0;
}

const filters: Readonly<Record<Exclude<Interpolation, 'nearest'>, Filter>> = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: { support: 1, weight: (x) => (Math.abs(x) < 1 ? sinc(x) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(Math.PI * x)) : 0) },
  bicubic: { support: 2, weight: cubic },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

/** For each wanted place along one axis: where its old pixels start, how many there are, and their weights in fixed point. */
interface Taps {
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  /** [places, width] */
  readonly weights: Int32Array;
  readonly width: number;
}

/** Weights are integers times 2^-22: eight bits for a pixel, two to spare for filters that overshoot. */
const fractionBits = 22;
const half = 1 << (fractionBits - 1);

/** The weights of one place, normalised to a sum of 1. */
function placeWeights(center: number, start: number, count: number, shrink: number, filter: Filter): Float64Array {
  const weights = new Float64Array(count);
  let sum = 0;
  for (let tap = 0; tap < count; tap++) sum += weights[tap] = filter.weight((tap + start - center + 0.5) * shrink);
  return sum === 0 ? weights : weights.map((weight) => weight / sum);
}

/** Away from zero at the half, as adding 0.5 and cutting off does. */
const toFixedPoint = (weight: number): number => Math.trunc(weight * (1 << fractionBits) + (weight < 0 ? -0.5 : 0.5));

/** Taps for places `first` to `first + wanted` of an axis that goes from `from` to `to` pixels. */
function makeTaps(from: number, to: number, first: number, wanted: number, filter: Filter, antialias: boolean): Taps {
  const scale = from / to;
  const stretch = antialias ? Math.max(scale, 1) : 1;
  const support = filter.support * stretch;
  const width = Math.ceil(support) * 2 + 1;
  const taps = { starts: new Int32Array(wanted), counts: new Int32Array(wanted), weights: new Int32Array(wanted * width), width };
  for (let place = 0; place < wanted; place++) {
    const center = (first + place + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - support + 0.5));
    const count = Math.min(from, Math.trunc(center + support + 0.5)) - start;
    taps.starts[place] = start;
    taps.counts[place] = count;
    taps.weights.set(placeWeights(center, start, count, 1 / stretch, filter).map(toFixedPoint), place * width);
  }
  return taps;
}

const clamp = (value: number): number => (value < 0 ? 0 : value > 255 ? 255 : value);

/** Resizes along x, all rows. Result: 8-bit [rows, places, 3]. */
function resizeRows(image: RgbImage, taps: Taps): RgbImage {
  const { starts, counts, weights, width } = taps;
  const { data, height } = image;
  const places = starts.length;
  const result = new Uint8Array(height * places * 3);
  let out = 0;
  for (let row = 0; row < height; row++) {
    const rowStart = row * image.width * 3;
    for (let place = 0; place < places; place++) {
      let red = half;
      let green = half;
      let blue = half;
      let pixel = rowStart + starts[place]! * 3;
      const firstTap = place * width;
      const lastTap = firstTap + counts[place]!;
      for (let tap = firstTap; tap < lastTap; tap++) {
        const weight = weights[tap]!;
        red += data[pixel]! * weight;
        green += data[pixel + 1]! * weight;
        blue += data[pixel + 2]! * weight;
        pixel += 3;
      }
      result[out] = clamp(red >> fractionBits);
      result[out + 1] = clamp(green >> fractionBits);
      result[out + 2] = clamp(blue >> fractionBits);
      out += 3;
    }
  }
  return { width: places, height, data: result };
}

/** Resizes along y, all columns. Result: 8-bit [places, columns, 3]. */
function resizeColumns(image: RgbImage, taps: Taps): RgbImage {
  const { starts, counts, weights, width } = taps;
  const { data } = image;
  const stride = image.width * 3;
  const result = new Uint8Array(starts.length * stride);
  const sums = new Int32Array(stride);
  for (let place = 0; place < starts.length; place++) {
    sums.fill(half);
    for (let tap = 0; tap < counts[place]!; tap++) {
      const weight = weights[place * width + tap]!;
      const start = (starts[place]! + tap) * stride;
      for (let column = 0; column < stride; column++) sums[column] = sums[column]! + data[start + column]! * weight;
    }
    const out = place * stride;
    for (let column = 0; column < stride; column++) result[out + column] = clamp(sums[column]! >> fractionBits);
  }
  return { width: image.width, height: starts.length, data: result };
}

/** The old pixel of each wanted place. The steps are added up, not multiplied, so that ties fall as they do in PIL. */
function nearestPlaces(from: number, to: number, first: number, wanted: number): Int32Array {
  const scale = from / to;
  const places = new Int32Array(wanted);
  let position = scale * 0.5;
  for (let place = 0; place < first + wanted; place++) {
    if (place >= first) places[place - first] = Math.min(from - 1, Math.floor(position));
    position += scale;
  }
  return places;
}

function resizeNearest(image: RgbImage, request: ResizeRequest, region: Region): Uint8Array {
  const columns = nearestPlaces(image.width, request.width, region.left, region.width);
  const rows = nearestPlaces(image.height, request.height, region.top, region.height);
  const result = new Uint8Array(region.height * region.width * 3);
  let out = 0;
  for (const row of rows) {
    for (const column of columns) {
      const pixel = (row * image.width + column) * 3;
      result[out++] = image.data[pixel]!;
      result[out++] = image.data[pixel + 1]!;
      result[out++] = image.data[pixel + 2]!;
    }
  }
  return result;
}

/** Cuts a rectangle out of a picture; all of it is the picture itself, not a copy. */
export function cutImage(image: RgbImage, region: Region): RgbImage {
  if (region.width === image.width && region.height === image.height) return image;
  const data = new Uint8Array(region.height * region.width * 3);
  for (let row = 0; row < region.height; row++) {
    const start = ((region.top + row) * image.width + region.left) * 3;
    data.set(image.data.subarray(start, start + region.width * 3), row * region.width * 3);
  }
  return { width: region.width, height: region.height, data };
}

/** What one axis needs: the old pixels that are looked at, and the taps counted from the first of them. */
interface Axis {
  readonly from: number;
  readonly count: number;
  /** Undefined where the size stays: then the pixels are taken as they are. */
  readonly taps: Taps | undefined;
}

function planAxis(from: number, to: number, first: number, wanted: number, filter: Filter, antialias: boolean): Axis {
  if (from === to) return { from: first, count: wanted, taps: undefined };
  const taps = makeTaps(from, to, first, wanted, filter, antialias);
  const start = taps.starts[0]!;
  const end = taps.starts[wanted - 1]! + taps.counts[wanted - 1]!;
  return { from: start, count: end - start, taps: { ...taps, starts: taps.starts.map((place) => place - start) } };
}

/**
 * Resizes a picture (and cuts a region out of the result) with the same numbers as PIL: along x, then along y, with rounding to
 * 8 bits in between, and weights in fixed point. Like Pillow 13 it goes along y first when the height shrinks by more than twice
 * what the width does.
 *
 * @source PIL `Image.resize`, described in Pillow's "Concepts: filters"
 */
export function resizeImage(image: RgbImage, request: ResizeRequest): RgbImage {
  const { height, width, interpolation, antialias } = request;
  const region = request.region ?? { top: 0, left: 0, height, width };
  if (width === image.width && height === image.height) return cutImage(image, region);
  if (interpolation === 'nearest') return { width: region.width, height: region.height, data: resizeNearest(image, request, region) };
  const filter = filters[interpolation];
  const rows = planAxis(image.height, height, region.top, region.height, filter, antialias);
  const columns = planAxis(image.width, width, region.left, region.width, filter, antialias);
  const part = cutImage(image, { top: rows.from, left: columns.from, height: rows.count, width: columns.count });
  const along = (axis: Axis, resize: typeof resizeRows) => (picture: RgbImage) =>
    axis.taps === undefined ? picture : resize(picture, axis.taps);
  const [across, down] = [along(columns, resizeRows), along(rows, resizeColumns)];
  const downFirst = height < image.height && image.height - height > 2 * (image.width - width);
  return downFirst ? across(down(part)) : down(across(part));
}
