import type { LearningRateSuggestions, RateCurve } from './learning-rate-suggestions.js';

const width = 720;
const height = 440;
/** The box of the plot. Above it stands the legend. */
const box = { left: 68, right: 696, top: 122, bottom: 384 };
const firstRow = 56;
const rowHeight = 20;

/** A shape around a point. */
type Shape = (className: string, x: number, y: number) => string;

const polygon =
  (corners: readonly (readonly [number, number])[]): Shape =>
  (className, x, y) =>
    `<polygon class="${className}" points="${corners.map(([dx, dy]) => `${fixed(x + dx)},${fixed(y + dy)}`).join(' ')}"/>`;

/** How each suggestion is drawn: shapes tell them apart where colours do not. */
const marks: readonly { readonly name: keyof LearningRateSuggestions; readonly words: string; readonly shape: Shape }[] = [
  {
    name: 'valley',
    words: 'middle of the longest fall',
    shape: (className, x, y) => `<circle class="${className}" cx="${fixed(x)}" cy="${fixed(y)}" r="5.5"/>`,
  },
  { name: 'steepest', words: 'steepest fall', shape: polygon([[-6, -5], [6, -5], [0, 6.5]]) }, // prettier-ignore
  { name: 'minimum', words: 'a tenth of the rate of the lowest loss', shape: polygon([[0, -7], [7, 0], [0, 7], [-7, 0]]) }, // prettier-ignore
];

type Rules = Readonly<Record<string, string>>;

const light: Rules = {
  text: 'font: 13px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; fill: #1f2328',
  '.title': 'font-size: 16px; font-weight: 600',
  '.name': 'font-weight: 600',
  '.card': 'fill: #ffffff; stroke: #d1d9e0',
  '.grid': 'stroke: #d1d9e0',
  '.axis': 'stroke: #59636e',
  '.faint': 'fill: #59636e',
  '.raw': 'stroke: #9aa4af; fill: none',
  '.curve': 'stroke: #0969da; fill: none; stroke-width: 2.5',
  'line.valley': 'stroke: #1a7f37',
  'line.steepest': 'stroke: #bc4c00',
  'line.minimum': 'stroke: #8250df',
  '.valley': 'fill: #1a7f37',
  '.steepest': 'fill: #bc4c00',
  '.minimum': 'fill: #8250df',
};

const dark: Rules = {
  text: 'fill: #f0f6fc',
  '.card': 'fill: #0d1117; stroke: #3d444d',
  '.grid': 'stroke: #2a313a',
  '.axis': 'stroke: #9198a1',
  '.faint': 'fill: #9198a1',
  '.raw': 'stroke: #656c76',
  '.curve': 'stroke: #4493f8',
  'line.valley': 'stroke: #3fb950',
  'line.steepest': 'stroke: #f0883e',
  'line.minimum': 'stroke: #ab7df8',
  '.valley': 'fill: #3fb950',
  '.steepest': 'fill: #f0883e',
  '.minimum': 'fill: #ab7df8',
};

/** Rules that touch nothing else on a page that the picture is put into. */
const scoped = (rules: Rules): string =>
  Object.entries(rules)
    .map(([selector, declarations]) => `.learning-rates ${selector} { ${declarations} }`)
    .join('\n');

/** The card is white, or dark where the reader's system is; colours are readable on it in both. */
const style = `${scoped(light)}\n@media (prefers-color-scheme: dark) {\n${scoped(dark)}\n}`;

/** A number of the data as a place on the page. */
type Scale = (value: number) => number;

const fixed = (value: number): string => value.toFixed(1);
const line = (className: string, x1: number, y1: number, x2: number, y2: number, more = ''): string =>
  `<line class="${className}" x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}"${more}/>`;
const label = (x: number, y: number, words: string, anchor: string, className = 'faint'): string =>
  `<text class="${className}" x="${fixed(x)}" y="${fixed(y)}" text-anchor="${anchor}">${words}</text>`;

const superscripts = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const power = (exponent: number): string =>
  `10${String(exponent)
    .replace('-', '⁻')
    .replace(/\d/g, (digit) => superscripts[Number(digit)]!)}`;

/** A rate with two digits: `4.3e-4`, `0.026`. */
export const showRate = (rate: number): string => (rate < 1e-3 ? rate.toExponential(1) : String(Number(rate.toPrecision(2))));

/** Round numbers between two bounds, some five of them. */
function niceTicks(low: number, high: number): number[] {
  const rough = (high - low) / 5;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const step = magnitude * [1, 2, 5, 10].find((factor) => factor * magnitude >= rough)!;
  const ticks: number[] = [];
  for (let index = Math.ceil(low / step); index * step <= high; index++) ticks.push(Number((index * step).toPrecision(6)));
  return ticks;
}

/** The last losses may be thousands of times the others: what is seen ends where the test would, or a little above the start. */
function lossRange({ losses, smoothed }: RateCurve): readonly [number, number] {
  const low = Math.min(...smoothed, ...losses);
  const high = Math.min(Math.max(...smoothed), Math.max(smoothed[0]! + 0.5 * (smoothed[0]! - low), 2 * low));
  const margin = (high - low || Math.abs(high) || 1) * 0.08;
  return [low - margin, high + margin];
}

/** Decades and, between them, the places of 2 to 9; every second decade has its number where there are many. */
function rateAxis(x: Scale, first: number, last: number): string {
  const [low, high] = [Math.floor(Math.log10(first)), Math.ceil(Math.log10(last))];
  const inside = (rate: number): boolean => rate >= first * 0.999 && rate <= last * 1.001;
  const few = Math.log10(last / first) < 2;
  const parts: string[] = [];
  for (let decade = low; decade <= high; decade++) {
    for (const digit of [1, 2, 3, 4, 5, 6, 7, 8, 9]) {
      const rate = digit * 10 ** decade;
      if (!inside(rate)) continue;
      parts.push(line('axis', x(rate), box.bottom, x(rate), box.bottom + (digit === 1 ? 7 : 4)));
      if (digit === 1) parts.push(line('grid', x(rate), box.top, x(rate), box.bottom));
      if (digit === 1 || (few && (digit === 2 || digit === 5)))
        parts.push(label(x(rate), box.bottom + 22, digit === 1 ? power(decade) : `${digit}·${power(decade)}`, 'middle'));
    }
  }
  return parts.join('');
}

function lossAxis(y: Scale, low: number, high: number): string {
  return niceTicks(low, high)
    .map((loss) => line('grid', box.left, y(loss), box.right, y(loss)) + label(box.left - 10, y(loss) + 4.5, String(loss), 'end'))
    .join('');
}

const path = (className: string, xs: readonly number[], ys: readonly number[], x: Scale, y: Scale): string =>
  `<polyline class="${className}" clip-path="url(#learning-rates-box)" points="${xs.map((value, place) => `${fixed(x(value))},${fixed(y(ys[place]!))}`).join(' ')}"/>`;

/** The smoothed loss at the rate of the curve that is nearest. */
function lossAt({ rates, smoothed }: RateCurve, rate: number): number {
  const distances = rates.map((other) => Math.abs(Math.log(other / rate)));
  return smoothed[distances.indexOf(Math.min(...distances))]!;
}

/** A dashed line over the whole height, with the suggestion's shape on the curve. */
function mark(curve: RateCurve, rate: number, row: number, x: Scale, y: Scale): string {
  const { name, shape } = marks[row]!;
  const dashed = line(name, x(rate), box.top, x(rate), box.bottom, ' stroke-dasharray="4 3" stroke-width="1.5"');
  return dashed + shape(name, x(rate), y(lossAt(curve, rate)));
}

/** Names and rates of the suggestions on the left, what the two lines are on the right. */
function legend(suggestions: LearningRateSuggestions): string {
  const rows = marks.map(({ name, words, shape }, row) => {
    const y = firstRow + row * rowHeight;
    const text = `<tspan class="${name} name">${name} ${showRate(suggestions[name])}</tspan><tspan class="faint" dx="8">${words}</tspan>`;
    return `${shape(name, 32, y)}<text x="48" y="${y + 4.5}">${text}</text>`;
  });
  const lines = ['raw', 'curve'].map((className, row) => {
    const y = firstRow + row * rowHeight;
    return line(className, 560, y, 588, y) + label(598, y + 4.5, ['each step', 'smoothed'][row]!, 'start');
  });
  return [...rows, ...lines].join('');
}

/** The curve with its suggestions as a picture: an SVG document, 720 by 440, that needs nothing else and is readable on any page. */
export function learningRatePlot(curve: RateCurve, suggestions: LearningRateSuggestions): string {
  const all = [...curve.rates, ...marks.map(({ name }) => suggestions[name])];
  const [first, last] = [Math.min(...all), Math.max(...all)];
  const [low, high] = lossRange(curve);
  const x: Scale = (rate) => box.left + (Math.log(rate / first) / (Math.log(last / first) || 1)) * (box.right - box.left);
  const y: Scale = (loss) => box.bottom - ((loss - low) / (high - low)) * (box.bottom - box.top);
  const summary = marks.map(({ name }) => `${name} ${showRate(suggestions[name])}`).join(', ');
  return [
    `<svg class="learning-rates" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="Loss against learning rate: ${summary}">`,
    `<style>\n${style}\n</style>`,
    `<clipPath id="learning-rates-box"><rect x="${box.left}" y="${box.top}" width="${box.right - box.left}" height="${box.bottom - box.top}"/></clipPath>`,
    `<rect class="card" x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>`,
    label(24, 30, 'Loss against learning rate', 'start', 'title'),
    lossAxis(y, low, high),
    rateAxis(x, first, last),
    line('axis', box.left, box.bottom, box.right, box.bottom),
    path('raw', curve.rates, curve.losses, x, y),
    path('curve', curve.rates, curve.smoothed, x, y),
    legend(suggestions),
    ...marks.map(({ name }, row) => mark(curve, suggestions[name], row, x, y)),
    label((box.left + box.right) / 2, height - 14, 'learning rate', 'middle', ''),
    `<text transform="translate(24 ${(box.top + box.bottom) / 2}) rotate(-90)" text-anchor="middle">loss</text>`,
    '</svg>\n',
  ].join('\n');
}
