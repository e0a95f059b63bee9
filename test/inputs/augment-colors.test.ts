import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  adjustSharpness,
  autocontrast,
  equalize,
  posterize,
  solarize,
} from '../../src/inputs/augment/color-operations.js';
import type { Picture } from '../../src/inputs/augment/picture.js';

const { cases } = JSON.parse(readFileSync(new URL('./augment-colors.json', import.meta.url), 'utf8')) as { cases: Record<string, string> };

const [width, height] = [29, 23];

/** The same formula is in augment-colors.py. */
function picture(): Picture {
  const data = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const value = 20 + 15 * c + ((x * (7 - 2 * c) + y * (3 + 4 * c) + Math.floor((x * y * (c + 2)) / 3)) % (190 - 30 * c));
        data[(y * width + x) * 3 + c] = (Math.floor(x / 6) + Math.floor(y / 5)) % 4 === 0 ? 128 : value;
      }
    }
  }
  return { width, height, data };
}

const operations: Record<string, (picture: Picture, amount: number) => void> = {
  autocontrast,
  equalize,
  posterize,
  solarize,
  brightness: adjustBrightness,
  contrast: adjustContrast,
  saturation: adjustSaturation,
  sharpness: adjustSharpness,
  hue: adjustHue,
};

function largestDifference(ours: Uint8Array, theirs: Uint8Array): number {
  expect(ours.length).toBe(theirs.length);
  return ours.reduce((worst, byte, index) => Math.max(worst, Math.abs(byte - theirs[index]!)), 0);
}

describe('colours', () => {
  it.each(Object.keys(cases))('%s has the numbers of the reference', (name) => {
    const [operation, amount] = name.split(' ') as [string, string?];
    const changed = picture();
    operations[operation]!(changed, Number(amount));
    const allowed = operation === 'hue' ? 2 : 1;
    expect(largestDifference(changed.data, new Uint8Array(Buffer.from(cases[name]!, 'base64')))).toBeLessThanOrEqual(allowed);
  });

  it.each(['posterize', 'solarize', 'autocontrast', 'equalize'])('%s is exact', (operation) => {
    for (const name of Object.keys(cases).filter((other) => other.startsWith(operation))) {
      const changed = picture();
      operations[operation]!(changed, Number(name.split(' ')[1]));
      expect(largestDifference(changed.data, new Uint8Array(Buffer.from(cases[name]!, 'base64'))), name).toBe(0);
    }
  });

  it('leaves a picture of one colour and one of a single pixel as they are', () => {
    for (const [w, h] of [
      [5, 4],
      [1, 1],
    ] as const) {
      const plain = (): Picture => ({ width: w, height: h, data: new Uint8Array(w * h * 3).fill(77) });
      for (const change of [autocontrast, equalize, (p: Picture) => adjustSharpness(p, 1.9), (p: Picture) => adjustHue(p, 0.3)]) {
        const changed = plain();
        change(changed);
        expect(changed.data).toEqual(plain().data);
      }
    }
  });
});
