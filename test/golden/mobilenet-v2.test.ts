import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import type { JsonObject } from '../../src/common/json.js';
import { goldenCase, largestDifference, loadGolden } from './image-golden.js';

const folder = fileURLToPath(new URL('mobilenet-v2', import.meta.url));

/** torchvision writes down nothing of the preparation; the case says what its preset was. */
const resizedTo: Record<string, JsonObject> = { torchvision: { resize: { mode: 'shortest-edge', size: 44, interpolation: 'bilinear', antialias: true }, crop: { height: 37, width: 37, rounding: 'half-even' } } };

describe('mobilenet-v2 gives the numbers of the original, from the encoded photo on', () => {
  test('there are cases', () => expect(readdirSync(folder).length).toBeGreaterThan(10));

  test.each(readdirSync(folder))('%s', async (name) => {
    const expected = await goldenCase(`${folder}/${name}`);
    const actual = await loadGolden(expected, { recipe: resizedTo[name] });
    expect(actual.family.name).toBe('mobilenet-v2');
    for (const [output, value] of Object.entries(actual.outputs)) {
      expect(largestDifference(value, expected.outputs[output]!), output).toBeLessThan(1e-4);
    }
    expect(Object.keys(actual.outputs)).toHaveLength(3);
  });
});

test('the golden cases say what made them', () => {
  for (const name of readdirSync(folder)) {
    const text = JSON.parse(readFileSync(`${folder}/${name}/case.json`, 'utf8')) as { reference: Record<string, string> };
    expect(Object.keys(text.reference).length).toBeGreaterThan(0);
  }
  expect(mobilenetV2.modality).toBe('image');
});
