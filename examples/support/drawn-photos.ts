/**
 * Pictures that are drawn, not photographed: a shape on a textured ground, seeded. Position, size, turn, colours, light and noise
 * vary freely, so that only the shape tells a class. They stand in for photos where none can be shipped.
 */
import type { PixelData } from 'transferkit';

/** A point relative to the shape: x to the right, y down, the shape reaches from -1 to 1. */
type Shape = (x: number, y: number) => boolean;

const radius = (x: number, y: number): number => Math.hypot(x, y);
const angle = (x: number, y: number): number => Math.atan2(y, x);

/** Inside a regular polygon whose corners lie at distance 1. */
const polygon =
  (corners: number): Shape =>
  (x, y) => {
    const sector = (2 * Math.PI) / corners;
    const within = ((((angle(x, y) + Math.PI / 2) % sector) + sector) % sector) - sector / 2;
    return radius(x, y) * Math.cos(within) <= Math.cos(sector / 2);
  };

/** Inside a star whose inner corners lie at distance `depth`. */
const star =
  (points: number, depth: number): Shape =>
  (x, y) => {
    const sector = (2 * Math.PI) / points;
    const within = Math.abs(((((angle(x, y) + Math.PI / 2) % sector) + sector) % sector) - sector / 2) / (sector / 2);
    return radius(x, y) <= depth + (1 - depth) * within;
  };

const box = (x: number, y: number, width: number, height: number): boolean => Math.abs(x) <= width && Math.abs(y) <= height;

/** Shapes that a backbone is pretrained on. */
export const pretrainingShapes: Readonly<Record<string, Shape>> = {
  disc: (x, y) => radius(x, y) <= 0.85,
  ring: (x, y) => radius(x, y) <= 0.95 && radius(x, y) >= 0.6,
  triangle: polygon(3),
  square: (x, y) => box(x, y, 0.72, 0.72),
  bar: (x, y) => box(x, y, 1, 0.26),
  star: star(5, 0.38),
  cross: (x, y) => box(x, y, 1, 0.28) || box(x, y, 0.28, 1),
  frame: (x, y) => box(x, y, 0.8, 0.8) && !box(x, y, 0.5, 0.5),
  bow: (x, y) => Math.abs(y) <= Math.abs(x) && Math.abs(x) <= 0.9,
  drop: (x, y) => radius(x, y - 0.35) <= 0.6 || (y < 0.35 && y > -1 && Math.abs(x) <= 0.42 * (y + 1)),
  stripes: (x, y) => box(x, y, 0.9, 0.9) && Math.floor((y + 1) * 3.2) % 2 === 0,
  dots: (x, y) => radius(x, y) <= 1 && radius(((x + 9) % 0.66) - 0.33, ((y + 9) % 0.66) - 0.33) <= 0.22,
};

/** Shapes that the backbone has never seen: what a user's own classes are to a published one. */
export const newShapes: Readonly<Record<string, Shape>> = {
  arrow: (x, y) => (y > -0.1 ? box(x, y - 0.4, 0.24, 0.5) : y > -1 && Math.abs(x) <= 0.8 * (y + 1)),
  crescent: (x, y) => radius(x, y) <= 0.95 && radius(x - 0.45, y) >= 0.75,
  flower: (x, y) => radius(x, y) <= 0.6 + 0.35 * Math.cos(6 * angle(x, y)),
  heart: (x, y) => (1.15 * x) ** 2 + (1.25 * (-y + 0.1) - 0.75 * Math.sqrt(Math.abs(x))) ** 2 <= 0.85,
  key: (x, y) =>
    (radius(x, y + 0.55) <= 0.42 && radius(x, y + 0.55) >= 0.2) || box(x, y - 0.4, 0.12, 0.6) || box(x - 0.22, y - 0.75, 0.22, 0.1),
  spiral: (x, y) => radius(x, y) <= 1 && (radius(x, y) * 2.6 - angle(x, y) / (2 * Math.PI) + 9) % 1 < 0.5,
};

/** Seeded numbers from 0 to below 1. @source mulberry32 by Tommy Ettinger, public domain */
export function seededNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let bits = Math.imul(state ^ (state >>> 15), state | 1);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), bits | 61)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Colour = readonly [number, number, number];

const mix = (a: Colour, b: Colour, share: number): Colour =>
  [0, 1, 2].map((channel) => a[channel]! * (1 - share) + b[channel]! * share) as unknown as Colour;

/** Two colours that differ enough to be told apart. */
function twoColours(next: () => number): readonly [Colour, Colour] {
  const colour = (): Colour => [next() * 255, next() * 255, next() * 255];
  const first = colour();
  for (;;) {
    const second = colour();
    if (Math.hypot(...first.map((value, channel) => value - second[channel]!)) > 160) return [first, second];
  }
}

/** How much of the second ground colour shows at a place, 0 to 1: plain, stripes, checks, blobs or a slope of light. */
function groundTexture(next: () => number): (x: number, y: number) => number {
  const [turn, scale, phase, kind] = [next() * Math.PI, 3 + next() * 9, next() * 6, Math.floor(next() * 5)];
  const along = (x: number, y: number): number => (x * Math.cos(turn) + y * Math.sin(turn)) * scale + phase;
  const textures: readonly ((x: number, y: number) => number)[] = [
    () => 0,
    (x, y) => 0.5 + 0.5 * Math.sin(along(x, y) * 2),
    (x, y) => (Math.floor(along(x, y)) + Math.floor(along(y, -x)) + 99) % 2,
    (x, y) => 0.5 + 0.25 * (Math.sin(along(x, y)) + Math.sin(along(y, x) * 1.7)),
    (x, y) => (x * Math.cos(turn) + y * Math.sin(turn) + 1) / 2,
  ];
  return textures[kind]!;
}

/** Draws one picture: `size` x `size` pixels, RGB. */
export function drawPhoto(shape: Shape, seed: number, size = 64): PixelData {
  const next = seededNumbers(seed);
  const [paint, ground] = twoColours(next);
  const other = mix(ground, [next() * 255, next() * 255, next() * 255], 0.2);
  const texture = groundTexture(next);
  const scale = 0.55 + next() * 0.3;
  const [centerX, centerY] = [next(), next()].map((value) => (value * 2 - 1) * (0.95 - scale)) as [number, number];
  const turn = (next() * 2 - 1) * 0.5;
  const [cos, sin, noise] = [Math.cos(turn) / scale, Math.sin(turn) / scale, 2 + next() * 12];
  const covers = (x: number, y: number): boolean =>
    shape((x - centerX) * cos + (y - centerY) * sin, (y - centerY) * cos - (x - centerX) * sin);
  const data = new Uint8Array(size * size * 3);
  for (let index = 0; index < size * size; index++) {
    const [x, y] = [((index % size) + 0.25) * (2 / size) - 1, (Math.floor(index / size) + 0.25) * (2 / size) - 1];
    const half = 1 / size;
    // Four looks into each pixel, so that edges are smooth as a camera's are.
    const share =
      (Number(covers(x, y)) + Number(covers(x + half, y)) + Number(covers(x, y + half)) + Number(covers(x + half, y + half))) / 4;
    const colour = mix(mix(ground, other, texture(x, y)), paint, share);
    for (let channel = 0; channel < 3; channel++)
      data[index * 3 + channel] = Math.max(0, Math.min(255, colour[channel]! + (next() - 0.5) * noise * 2));
  }
  return { width: size, height: size, data };
}

/** Some pictures of each class. */
export function drawnExamples(
  shapes: Readonly<Record<string, Shape>>,
  each: number,
  seed: number,
): { readonly image: PixelData; readonly label: string }[] {
  return Object.entries(shapes).flatMap(([label, shape], kind) =>
    Array.from({ length: each }, (_, index) => ({ image: drawPhoto(shape, seed + kind * 10_007 + index), label })),
  );
}
