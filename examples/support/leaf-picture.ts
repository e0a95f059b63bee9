/**
 * Pictures of fallen leaves, drawn as a photographer would find them: on wood, grass, gravel or paper, in sun or shade, turned, bent,
 * spotted, half covered or out of focus. All trees share the same colours, so that only the shape of a leaf tells its tree.
 */
import sharp from 'sharp';
import { drawGround, hsl, side } from './leaf-grounds.js';
import { leafShapes, trees, type Point, type Tree, type Vein } from './leaf-shapes.js';
import { happens, seededRandom, several, type Random } from './random.js';

/** Side of a finished picture, in pixels. */
export const pictureSize = 160;

type Warp = (point: Point) => Point;

const text = (value: number): string => value.toFixed(1);
const pathOf = (points: readonly Point[], warp: Warp): string =>
  points.map((point, index) => `${index === 0 ? 'M' : 'L'}${warp(point).map(text).join(' ')}`).join('');

/** A vein or a stalk: three points, drawn as a curve through the middle one. */
function curve({ points, width }: Vein, warp: Warp, length: number): string {
  const [start, middle, end] = [points[0]!, points.at(-2)!, points.at(-1)!].map(warp) as [Point, Point, Point];
  const bend = points.length < 3 ? end : [2 * middle[0] - (start[0] + end[0]) / 2, 2 * middle[1] - (start[1] + end[1]) / 2];
  return `<path d="M${start.map(text).join(' ')}Q${bend.map(text).join(' ')} ${end.map(text).join(' ')}" stroke-width="${(width * length).toFixed(2)}"/>`;
}

/** Places a leaf: bent, tilted away from the camera, turned, moved. */
function warpOf(random: Random, length: number, center: Point): Warp {
  const [bend, turn, tiltTurn, tilt] = [random(-0.22, 0.22), random(-0.8, 0.8), random(0, Math.PI), random(0.78, 1)];
  const rotate = ([x, y]: Point, angle: number): Point => [
    x * Math.cos(angle) - y * Math.sin(angle),
    x * Math.sin(angle) + y * Math.cos(angle),
  ];
  return ([x, y]) => {
    const bent: Point = [x + bend * y * y, y + 0.45 + 0.15 * bend * x];
    const [tiltedX, tiltedY] = rotate(bent, tiltTurn);
    const [turnedX, turnedY] = rotate([tiltedX * tilt, tiltedY], turn - tiltTurn);
    return [center[0] + turnedX * length, center[1] + turnedY * length];
  };
}

/** Colours of one leaf: from fresh green over yellow and red to brown. */
function paint(random: Random, id: string): { readonly gradient: string; readonly vein: string; readonly stalk: string } {
  const autumn = random() ** 0.9;
  const hue = autumn < 0.4 ? random(78, 128) : autumn < 0.7 ? random(38, 62) : autumn < 0.88 ? random(4, 30) : random(20, 36);
  const brown = autumn >= 0.88;
  const [saturation, lightness] = [
    brown ? random(18, 40) : hue > 70 ? random(26, 60) : random(40, 80),
    brown ? random(22, 46) : random(28, 52),
  ];
  const turnTo = hue + random(-26, 20);
  const stop = (offset: number, at: number, light: number): string =>
    `<stop offset="${offset}" stop-color="${hsl(at, saturation, light)}"/>`;
  const angle = random(0, 360).toFixed(0);
  const gradient =
    `<linearGradient id="${id}" gradientUnits="userSpaceOnUse" x1="0" y1="0" x2="${side}" y2="${side}" gradientTransform="rotate(${angle} 160 160)">` +
    `${stop(0.2, hue, lightness)}${stop(0.5, (hue + turnTo) / 2, lightness + random(-6, 10))}${stop(0.85, turnTo, lightness + random(-9, 9))}</linearGradient>`;
  const pale = happens(random, 0.7);
  return {
    gradient,
    vein: hsl(hue - 6, saturation * 0.7, pale ? lightness + 20 : lightness - 14),
    stalk: hsl(hue * 0.6 + 12, 35, lightness * 0.85),
  };
}

/** Spots, dry edges and a few holes: what weather and insects leave. */
function wear(random: Random, outline: string, ground: string): string {
  const spot = (): string =>
    `<circle cx="${text(random(0, side))}" cy="${text(random(0, side))}" r="${text(random(0.8, 5))}" fill="${hsl(random(18, 34), 45, random(12, 26))}" opacity="${random(0.3, 0.85).toFixed(2)}"/>`;
  const edge = happens(random, 0.5)
    ? `<path d="${outline}" fill="none" stroke="${hsl(26, 50, 20)}" stroke-width="${text(random(4, 12))}" opacity=".4" filter="url(#soft)"/>`
    : '';
  const hole = (): string =>
    `<circle cx="${text(random(60, 260))}" cy="${text(random(60, 260))}" r="${text(random(2, 6))}" fill="${ground}" opacity=".85"/>`;
  return (
    several(happens(random, 0.6) ? random(5, 60) : 0, spot).join('') +
    edge +
    several(happens(random, 0.25) ? random(1, 6) : 0, hole).join('')
  );
}

/** One leaf with its shadow. */
function drawLeaf(tree: Tree, random: Random, id: string, length: number, center: Point): string {
  const shape = leafShapes[tree](random);
  const warp = warpOf(random, length, center);
  const { gradient, vein, stalk } = paint(random, `${id}-paint`);
  const outline = shape.blades.map((blade) => `${pathOf(blade, warp)}Z`).join('');
  const veins = shape.veins.map((line) => curve(line, warp, length)).join('');
  const [shadowX, shadowY, height] = [random(-1, 1), random(-0.4, 1), random(2, 11)];
  // One half of a leaf catches less light than the other: it is folded along the midrib.
  const midrib = several(13, (index): Point => [0, 0.3 - index / 8]);
  const half = `${pathOf([...midrib, [1.2, -1.2], [1.2, 0.3]], warp)}Z`;
  const mottle = `<feTurbulence type="fractalNoise" baseFrequency="${random(0.02, 0.09).toFixed(3)}" numOctaves="3" seed="${Math.floor(random(1, 9999))}"/>`;
  const tint = `<feColorMatrix values="0 0 0 0 ${happens(random, 0.5) ? 0.05 : 0.95}  0 0 0 0 ${random(0.05, 0.8).toFixed(2)}  0 0 0 0 0.05  0 0 0 ${random(1, 2.2).toFixed(2)} -0.55"/>`;
  return (
    `<defs>${gradient}<clipPath id="${id}-clip"><path d="${outline}"/></clipPath><filter id="${id}-mottle" x="0" y="0" width="1" height="1">${mottle}${tint}</filter></defs>` +
    `<g transform="translate(${text(shadowX * height)} ${text(shadowY * height)})" filter="url(#shadow)" opacity="${random(0.35, 0.7).toFixed(2)}"><path d="${outline}"/><g fill="none" stroke="#000">${curve(shape.stalk, warp, length)}</g></g>` +
    `<g fill="none" stroke="${stalk}" stroke-linecap="round">${curve(shape.stalk, warp, length)}</g>` +
    `<path d="${outline}" fill="url(#${id}-paint)"/>` +
    `<g clip-path="url(#${id}-clip)"><rect width="${side}" height="${side}" filter="url(#${id}-mottle)" opacity="${random(0.15, 0.55).toFixed(2)}"/>` +
    `<path d="${half}" opacity="${random(0.05, 0.28).toFixed(2)}"/>` +
    `<g fill="none" stroke="${vein}" stroke-linecap="round" opacity="${random(0.4, 0.9).toFixed(2)}">${veins}</g>` +
    wear(random, outline, hsl(30, 20, 14)) +
    `<ellipse cx="${text(center[0] + random(-60, 60))}" cy="${text(center[1] + random(-60, 60))}" rx="${text(random(30, 80))}" ry="${text(random(15, 40))}" fill="#fff" opacity="${random(0, 0.3).toFixed(2)}" filter="url(#soft)"/></g>` +
    `<path d="${outline}" fill="none" stroke="#000" stroke-opacity=".22" stroke-width="1"/>`
  );
}

/** A twig or a blade of grass; before the leaf it hides a part of it. */
function twig(random: Random): string {
  const [x, y, turn] = [random(0, side), random(0, side), random(0, Math.PI)];
  const [dx, dy] = [Math.cos(turn) * 260, Math.sin(turn) * 260];
  const d = `M${text(x - dx)} ${text(y - dy)}Q${text(x + random(-40, 40))} ${text(y + random(-40, 40))} ${text(x + dx)} ${text(y + dy)}`;
  const [colour, width] = [
    happens(random, 0.5) ? hsl(random(18, 34), random(15, 40), random(18, 40)) : hsl(random(65, 115), 42, random(26, 46)),
    random(2.5, 8),
  ];
  return `<path d="${d}" fill="none" stroke="#000" stroke-width="${text(width)}" opacity=".4" filter="url(#shadow)" transform="translate(3 4)"/><path d="${d}" fill="none" stroke="${colour}" stroke-width="${text(width)}"/>`;
}

/** Bits of other leaves, too far from the camera to be sharp. */
function litter(random: Random): string {
  const bit = (): string => {
    const [long, wide] = [random(12, 45), random(8, 26)];
    const place = `translate(${text(random(0, side))} ${text(random(0, side))}) rotate(${text(random(0, 360))})`;
    const colour = hsl(random(15, 95), random(20, 55), random(18, 46));
    return `<path d="M${text(-long)} 0Q0 ${text(-wide)} ${text(long)} 0Q${text(random(-10, 10))} ${text(wide)} ${text(-long)} 0Z" fill="${colour}" transform="${place}" opacity="${random(0.6, 0.95).toFixed(2)}"/>`;
  };
  return `<g filter="url(#far)">${several(random(2, 10), bit).join('')}</g>`;
}

/** Sun through a tree, or the shadow of the photographer. */
function light(random: Random): string {
  const patch = (colour: string, strength: number) => (): string =>
    `<ellipse cx="${text(random(0, side))}" cy="${text(random(0, side))}" rx="${text(random(20, 110))}" ry="${text(random(15, 80))}" fill="${colour}" opacity="${strength.toFixed(2)}"/>`;
  const shade = happens(random, 0.55) ? several(random(1, 6), patch('#061018', random(0.15, 0.42))) : [];
  const sun = happens(random, 0.4) ? several(random(1, 6), patch('#fff3c8', random(0.1, 0.32))) : [];
  const cast = `<rect width="${side}" height="${side}" fill="${hsl(random() < 0.5 ? random(20, 50) : random(190, 240), 80, 50)}" opacity="${random(0, 0.12).toFixed(2)}"/>`;
  return `<g filter="url(#light)">${[...shade, ...sun].join('')}</g>${cast}`;
}

/** The scene as SVG. */
function sceneOf(tree: Tree, random: Random): string {
  const length = random(200, 275) * (tree === 'willow' ? 1.15 : 1);
  const place = (): Point => [side / 2 + random(-26, 26), side / 2 + random(-26, 26)];
  const blur = (id: string, radius: number): string =>
    `<filter id="${id}" x="-.5" y="-.5" width="2" height="2"><feGaussianBlur stdDeviation="${text(radius)}"/></filter>`;
  const defs = `<defs>${blur('soft', 8)}${blur('shadow', random(1.5, 6))}${blur('far', random(1, 4))}${blur('light', random(10, 24))}</defs>`;
  const second = happens(random, 0.22)
    ? drawLeaf(tree, random, 'second', length * random(0.55, 0.9), [random(20, 300), random(20, 300)])
    : '';
  const first = drawLeaf(tree, random, 'first', length, place());
  const parts = [
    drawGround(random),
    happens(random, 0.35) ? litter(random) : '',
    happens(random, 0.22) ? twig(random) : '',
    second,
    first,
    happens(random, 0.16) ? twig(random) : '',
    light(random),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${side}" height="${side}">${defs}${parts.join('')}</svg>`;
}

/** The camera: focus, exposure and grain, then JPEG. */
async function photograph(scene: string, random: Random): Promise<Buffer> {
  const focus = happens(random, 0.2) ? random(0.8, 2.2) : 0.5;
  const [exposure, contrast] = [random(0.78, 1.12), random(0.85, 1.12)];
  const { data, info } = await sharp(Buffer.from(scene))
    .flatten()
    .blur(focus)
    .resize(pictureSize, pictureSize)
    .raw()
    .toBuffer({ resolveWithObject: true });
  const grain = random(1, 6);
  for (let index = 0; index < data.length; index++) {
    const value = ((data[index]! - 118) * contrast + 118) * exposure + (random() + random() - 1) * grain;
    data[index] = Math.max(0, Math.min(255, Math.round(value)));
  }
  return sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } })
    .jpeg({ quality: 82 })
    .toBuffer();
}

/**
 * Draws one picture.
 *
 * @returns a JPEG file of `pictureSize` x `pictureSize` pixels
 */
export function drawLeafPicture(tree: Tree, seed: number): Promise<Buffer> {
  const random = seededRandom(seed);
  return photograph(sceneOf(tree, random), random);
}

/** The seed of a picture in examples/data, numbered from 1 in the folder of its tree. */
export const seedOfPicture = (tree: Tree, number: number): number => trees.indexOf(tree) * 1009 + number;
