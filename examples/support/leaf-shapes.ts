/**
 * Leaves of six trees as outlines and veins. A leaf stands upright: its stalk ends at (0, 0), its tip lies near (0, -1), y grows
 * downwards as in pictures. No two leaves are alike: proportions, teeth and lobes vary from leaf to leaf.
 */
import { several, type Random } from './random.js';

export type Point = readonly [x: number, y: number];

/** A line with a width, in the unit of the leaf's length. */
export interface Vein {
  readonly points: readonly Point[];
  readonly width: number;
}

export interface LeafShape {
  /** Closed outlines; a compound leaf has one for each leaflet. */
  readonly blades: readonly (readonly Point[])[];
  readonly veins: readonly Vein[];
  readonly stalk: Vein;
}

/** Places along the midrib from base (0) to tip (1). */
const along = several(91, (index) => index / 90);

/** An outline from the half width at every place; the two sides differ a little. */
function mirrored(random: Random, halfWidth: (place: number, side: number) => number, lift: (place: number) => number = () => 0): Point[] {
  const skew = random(-0.06, 0.06);
  const side = (sign: number): Point[] =>
    along.map((place) => [sign * halfWidth(place, sign) * (1 + sign * skew), -place - lift(place)] as const);
  return [...side(1), ...side(-1).reverse()];
}

/** Side veins that leave the midrib and run forward to the edge. */
function pinnateVeins(random: Random, pairs: number, halfWidth: (place: number, side: number) => number, rise: number): Vein[] {
  const one = (index: number, sign: number): Vein => {
    const start = 0.06 + (0.84 * (index + random(-0.15, 0.15))) / pairs;
    const end = Math.min(0.97, start + rise * (1 - start * 0.5));
    const reach = sign * halfWidth(end, sign) * 0.93;
    return {
      points: [
        [0, -start],
        [reach * 0.5, -(start + (end - start) * 0.42)],
        [reach, -end],
      ],
      width: 0.009,
    };
  };
  return [midrib(), ...several(pairs, (index) => [one(index, 1), one(index, -1)]).flat()];
}

const midrib = (top = 0.97): Vein => ({
  points: [
    [0, 0.02],
    [0, -top / 2],
    [0, -top],
  ],
  width: 0.018,
});

const stalkOf = (random: Random, length: number): Vein => ({
  points: [
    [0, 0],
    [random(-0.04, 0.04), length / 2],
    [random(-0.12, 0.12), length],
  ],
  width: 0.026,
});

/** Teeth along an edge: 0 in the gap behind a tooth, 1 at its point. */
const tooth = (place: number, count: number): number => (place * count) % 1;

function birch(random: Random): LeafShape {
  const [width, widest, teeth] = [random(0.34, 0.42), random(0.24, 0.32), random(11, 15)];
  const body = (place: number): number => {
    const fromBase = Math.min(1, place / widest);
    const toTip = Math.max(0, (1 - place) / (1 - widest));
    return width * Math.sqrt(Math.sin((fromBase * Math.PI) / 2)) * (place < widest ? 1 : toTip ** 0.92 * (1.18 - 0.18 * toTip));
  };
  const halfWidth = (place: number, side: number): number =>
    body(place) * (1 + 0.09 * (tooth(place + side * 0.01, teeth) - 0.5) + 0.05 * (tooth(place, teeth * 3) - 0.5));
  return { blades: [mirrored(random, halfWidth)], veins: pinnateVeins(random, 7, halfWidth, 0.2), stalk: stalkOf(random, 0.3) };
}

function willow(random: Random): LeafShape {
  const [width, teeth] = [random(0.085, 0.125), random(28, 36)];
  const halfWidth = (place: number): number => width * Math.sin(Math.PI * place ** 0.82) ** 0.85 * (1 + 0.07 * (tooth(place, teeth) - 0.5));
  return { blades: [mirrored(random, halfWidth)], veins: pinnateVeins(random, 13, halfWidth, 0.1), stalk: stalkOf(random, 0.1) };
}

function oak(random: Random): LeafShape {
  const [lobes, depth, width] = [Math.round(random(4, 5.9)), random(0.42, 0.62), random(0.3, 0.38)];
  const envelope = (place: number): number =>
    width * Math.sin(Math.PI * Math.min(1, place ** 1.25 * 0.98 + 0.02)) ** 0.6 + 0.02 * (1 - place);
  const shift = { 1: random(0, 0.3), [-1]: random(0, 0.3) } as Record<number, number>;
  const wave = (place: number, side: number): number => Math.abs(Math.sin(Math.PI * (place * lobes + shift[side]!)));
  const halfWidth = (place: number, side: number): number =>
    place > 0.995
      ? 0
      : envelope(place) * (1 - depth + depth * wave(place, side) ** 0.75) * (place > 0.9 ? Math.sqrt((1 - place) / 0.1) : 1);
  return {
    blades: [mirrored(random, halfWidth)],
    veins: pinnateVeins(random, lobes, (place, side) => envelope(place) * (1 - depth * 0.2) * Math.sign(side * side), 0.14),
    stalk: stalkOf(random, 0.09),
  };
}

function ginkgo(random: Random): LeafShape {
  const [spread, notch, waves] = [random(0.95, 1.25), random(0.12, 0.5), random(5, 9)];
  const phase = random(0, 6);
  const rim = (share: number): number =>
    0.92 +
    0.03 * Math.sin(share * waves * 3 + phase) +
    0.012 * Math.sin(share * 41 + phase) -
    notch * Math.exp(-((share / 0.045) ** 2)) -
    0.1 * Math.abs(share) ** 6;
  const at = (share: number, reach: number): Point => [Math.sin(share * spread) * reach * 0.95, -Math.cos(share * spread) * reach];
  const edge = several(121, (index) => at(index / 60 - 1, rim(index / 60 - 1)));
  const flank = (sign: number): Point[] => several(12, (index) => at(sign * (0.55 + 0.45 * (index / 12)), (0.92 * (index + 1)) / 14));
  const veins = several(29, (index): Vein => {
    const share = index / 14 - 1;
    return { points: [at(share * 0.6, 0.08), at(share * 0.9, 0.45), at(share * 0.97, rim(share * 0.97) * 0.97)], width: 0.006 };
  });
  return { blades: [[[0, 0], ...flank(-1), ...edge, ...flank(1).reverse()]], veins, stalk: stalkOf(random, 0.55) };
}

/** Half a maple leaf, from the stalk to the tip: lobes, the teeth on them, and the bays between. */
const mapleHalf: readonly Point[] = [
  [0.02, -0.06],
  [0.16, -0.03],
  [0.34, 0.05],
  [0.36, -0.08],
  [0.47, -0.12],
  [0.33, -0.24],
  [0.48, -0.28],
  [0.62, -0.26],
  [0.64, -0.36],
  [0.8, -0.42],
  [0.66, -0.5],
  [0.66, -0.6],
  [0.5, -0.58],
  [0.34, -0.53],
  [0.19, -0.47],
  [0.23, -0.6],
  [0.33, -0.68],
  [0.22, -0.74],
  [0.2, -0.85],
  [0.1, -0.85],
  [0, -1.03],
];

function maple(random: Random): LeafShape {
  const [wide, bays] = [random(0.82, 1.05), random(0.8, 1.2)];
  const vary = ([x, y]: Point): Point => [x * wide * (1 + random(-0.05, 0.05)), y + random(-0.018, 0.018)];
  const half = (sign: number): Point[] =>
    mapleHalf.map(vary).map(([x, y], index) => [sign * x * (index === 5 || index === 14 ? 2 - bays : 1), y] as const);
  const vein = (x: number, y: number, width: number): Vein => ({
    points: [
      [0, -0.05],
      [x * 0.5, y * 0.52 - 0.02],
      [x, y],
    ],
    width,
  });
  const veins = [1, -1].flatMap((sign) => [
    vein(sign * 0.74 * wide, -0.41, 0.014),
    vein(sign * 0.32 * wide, 0.03, 0.011),
    vein(sign * 0.43 * wide, -0.12, 0.007),
    {
      points: [
        [sign * 0.3 * wide, -0.2],
        [sign * 0.62 * wide, -0.57],
      ] as Point[],
      width: 0.007,
    },
    {
      points: [
        [0, -0.4],
        [sign * 0.3 * wide, -0.66],
      ] as Point[],
      width: 0.007,
    },
  ]);
  return { blades: [sagging([...half(1), ...half(-1).reverse()])], veins: [midrib(0.99), ...veins], stalk: stalkOf(random, 0.5) };
}

/** Straight pieces of an outline, bent inwards a little, as the edge between two points of a leaf is. */
function sagging(outline: readonly Point[]): Point[] {
  return outline.flatMap(([x, y], index) => {
    const [nextX, nextY] = outline[(index + 1) % outline.length]!;
    return several(6, (step): Point => {
      const share = step / 6;
      const pull = 1 - 0.05 * Math.sin(Math.PI * share);
      const [midX, midY] = [x + (nextX - x) * share, y + (nextY - y) * share];
      return [midX * pull, -0.4 + (midY + 0.4) * pull];
    });
  });
}

function ash(random: Random): LeafShape {
  const [pairs, width, teeth] = [Math.round(random(3, 5.4)), random(0.17, 0.24), random(9, 13)];
  const halfWidth = (place: number): number => width * Math.sin(Math.PI * place ** 0.85) ** 0.8 * (1 + 0.08 * (tooth(place, teeth) - 0.5));
  const leaflet = (place: number, turn: number, length: number) => {
    const move = ([x, y]: Point): Point => [
      (x * Math.cos(turn) - y * Math.sin(turn)) * length,
      (x * Math.sin(turn) + y * Math.cos(turn)) * length - place,
    ];
    const veins = pinnateVeins(random, 6, halfWidth, 0.14).map((vein) => ({ points: vein.points.map(move), width: vein.width * 0.6 }));
    return { blade: mirrored(random, halfWidth).map(move), veins };
  };
  const side = (index: number, sign: number) =>
    leaflet(
      0.12 + (0.58 * index) / (pairs - 1) + random(-0.012, 0.012),
      sign * random(0.9, 1.15),
      0.4 * (1 - 0.16 * Math.abs(index / (pairs - 1) - 0.45)),
    );
  const leaflets = [...several(pairs, (index) => [side(index, 1), side(index, -1)]).flat(), leaflet(0.66, random(-0.1, 0.1), 0.4)];
  return {
    blades: leaflets.map(({ blade }) => blade),
    veins: leaflets.flatMap(({ veins }) => veins),
    // One line from the lowest end of the stalk to the last leaflet, on which all the others sit.
    stalk: {
      points: [
        [0, -0.68],
        [0, -0.25],
        [random(-0.08, 0.08), 0.22],
      ],
      width: 0.024,
    },
  };
}

/** Grows a leaf of each tree. */
export const leafShapes = { ash, birch, ginkgo, maple, oak, willow } as const;

export type Tree = keyof typeof leafShapes;

/** The names of the trees, sorted. */
export const trees = Object.keys(leafShapes) as Tree[];
