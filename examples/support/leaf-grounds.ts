/** What leaves lie on: SVG that fills a square, with a texture made of noise and light. */
import { oneOf, several, type Random } from './random.js';

/** Side of the square that everything is drawn in. */
export const side = 320;

/** A colour by hue (degrees), saturation and lightness (percent). */
export const hsl = (hue: number, saturation: number, lightness: number): string =>
  `hsl(${hue.toFixed(0)},${saturation.toFixed(0)}%,${lightness.toFixed(0)}%)`;

const seedOf = (random: Random): number => Math.floor(random(1, 9999));

/** Noise seen as a relief under a lamp: `fine` is its frequency along and across. */
function relief(random: Random, fine: string, colour: string, height: number): string {
  const light = `<feDistantLight azimuth="${random(0, 360).toFixed(0)}" elevation="${random(50, 68).toFixed(0)}"/>`;
  return (
    `<filter id="relief" x="0" y="0" width="1" height="1"><feTurbulence type="fractalNoise" baseFrequency="${fine}" numOctaves="4" seed="${seedOf(random)}"/><feGaussianBlur stdDeviation=".7"/>` +
    `<feDiffuseLighting lighting-color="${colour}" surfaceScale="${height.toFixed(1)}" diffuseConstant="1.25">${light}</feDiffuseLighting></filter>` +
    `<rect width="${side}" height="${side}" filter="url(#relief)"/>`
  );
}

const everywhere = (random: Random): [number, number] => [random(-10, side + 10), random(-10, side + 10)];

/** Roundish stones with light from above. */
function pebbles(random: Random, count: number, largest: number): string {
  const one = (): string => {
    const [x, y] = everywhere(random);
    const [wide, turn, light] = [random(3, largest), random(0, 180), random(28, 66)];
    const place = `cx="${x.toFixed(0)}" cy="${y.toFixed(0)}" rx="${wide.toFixed(1)}" ry="${(wide * random(0.6, 0.95)).toFixed(1)}"`;
    const body = `<ellipse ${place} transform="rotate(${turn.toFixed(0)} ${x.toFixed(0)} ${y.toFixed(0)})"`;
    return `${body} fill="#000" opacity=".35" transform-origin="0 3"/>${body} fill="${hsl(random(20, 60), random(3, 18), light)}" stroke="#000" stroke-opacity=".25"/>`;
  };
  return several(count, one).join('');
}

function wood(random: Random): string {
  const [tone, width] = [hsl(random(18, 42), random(12, 52), random(30, 74)), random(60, 150)];
  const offset = random(0, width);
  const gaps = several(6, (index) => {
    const x = (offset + index * width).toFixed(0);
    return `<path d="M${x} 0V${side}" stroke="#150d05" stroke-opacity=".6" stroke-width="${random(1.5, 4).toFixed(1)}"/>`;
  });
  const grain = relief(random, `${random(0.05, 0.14).toFixed(3)} ${random(0.003, 0.01).toFixed(4)}`, tone, random(2.5, 6));
  return `<g transform="rotate(${random(0, 180).toFixed(0)} ${side / 2} ${side / 2}) translate(${side / 2} ${side / 2}) scale(1.45) translate(${-side / 2} ${-side / 2})">${grain}${gaps.join('')}</g>`;
}

function grass(random: Random): string {
  const [hue, dark] = [random(70, 125), random(16, 30)];
  const blade = (index: number): string => {
    const [x, y] = everywhere(random);
    const [leanX, leanY] = [random(-38, 38), random(-60, -18)];
    const colour = hsl(hue + random(-18, 18), random(25, 60), dark + (index / 420) * 24 + random(-6, 8));
    const curve = `M${x.toFixed(0)} ${y.toFixed(0)}q${(leanX * 0.2).toFixed(0)} ${(leanY * 0.7).toFixed(0)} ${leanX.toFixed(0)} ${leanY.toFixed(0)}`;
    return `<path d="${curve}" stroke="${colour}" stroke-width="${random(1.5, 4.5).toFixed(1)}"/>`;
  };
  return `<rect width="${side}" height="${side}" fill="${hsl(hue - 15, 28, dark - 6)}"/><g fill="none" stroke-linecap="round">${several(420, blade).join('')}</g>`;
}

/** Paving stones with joints. */
function paving(random: Random): string {
  const [stone, size, turn] = [
    relief(random, '0.35', hsl(random(15, 60), random(0, 14), random(48, 78)), random(0.8, 2)),
    random(90, 190),
    random(0, 90),
  ];
  const joints = several(9, (index) => `M${(index - 3) * size} -200V600M-200 ${(index - 3) * size}H600`).join('');
  return `${stone}<path d="${joints}" transform="rotate(${turn.toFixed(0)} 160 160)" stroke="#1c1a17" stroke-opacity=".55" stroke-width="${random(2, 6).toFixed(1)}"/>`;
}

const grounds: readonly ((random: Random) => string)[] = [
  wood,
  grass,
  paving,
  // Soil and gravel.
  (random) =>
    relief(random, random(0.06, 0.16).toFixed(3), hsl(random(15, 38), random(15, 42), random(30, 54)), random(4, 8)) +
    pebbles(random, random(0, 30), 9),
  (random) => relief(random, '0.2', hsl(random(20, 50), 10, random(45, 65)), 4) + pebbles(random, 330, 17),
  // Asphalt, plaster or sand.
  (random) => relief(random, random(0.45, 0.8).toFixed(2), hsl(random(0, 360), random(0, 10), random(26, 84)), random(1, 2.6)),
  // Cloth and paper of any colour.
  (random) =>
    relief(
      random,
      `${random(0.2, 0.6).toFixed(2)} ${random(0.02, 0.6).toFixed(2)}`,
      hsl(random(0, 360), random(4, 45), random(58, 90)),
      random(0.4, 1.6),
    ),
];

/** Draws one of the grounds. */
export const drawGround = (random: Random): string => oneOf(random, grounds)(random);
