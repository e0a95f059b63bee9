import { readdirSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { expect, test } from 'vitest';
import { imageFolder, table } from 'transferkit/data';
import { drawLeafPicture, pictureSize, seedOfPicture } from '../../examples/support/leaf-picture.js';
import { trees } from '../../examples/support/leaf-shapes.js';

const folder = resolve(import.meta.dirname, '../../examples/data');
const leaves = join(folder, 'leaves');

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}']+/gu) ?? [];

test('the tickets are 400 messages, 50 for each of 8 teams', async () => {
  const tickets = await table(join(folder, 'tickets.csv'), { text: 'body', label: 'team' });
  expect(tickets.labels).toHaveLength(8);
  expect([...new Set(Object.values(tickets.classCounts()))]).toEqual([50]);
  const lengths = tickets.items.map(({ input }) => (input as string).split(/\s+/).length);
  expect([Math.min(...lengths), Math.max(...lengths)]).toEqual([4, 39]);
});

test('no two tickets are alike', async () => {
  const tickets = await table(join(folder, 'tickets.csv'), { text: 'body', label: 'team' });
  const texts = tickets.items.map(({ input }) => input as string);
  const words = texts.map((text) => new Set(wordsOf(text)));
  for (const [index, first] of words.entries())
    for (const second of words.slice(index + 1)) {
      const shared = [...first].filter((word) => second.has(word)).length;
      expect(shared / (first.size + second.size - shared), texts[index]).toBeLessThan(0.4);
    }
  const openings = texts.map((text) => wordsOf(text).slice(0, 3).join(' '));
  for (const opening of new Set(openings)) expect(openings.filter((other) => other === opening).length, opening).toBeLessThanOrEqual(3);
});

test('the leaves are 240 small pictures, 40 for each of 6 trees', async () => {
  const set = await imageFolder(leaves);
  expect(set.labels).toEqual(trees);
  expect([...new Set(Object.values(set.classCounts()))]).toEqual([40]);
  const bytes = set.items.reduce((sum, { input }) => sum + statSync(input as string).size, 0);
  expect(bytes).toBeLessThan(2.5e6);
  for (const { input } of set.items.filter((_, index) => index % 10 === 0))
    expect(await sharp(input as string).metadata()).toMatchObject({ format: 'jpeg', width: pictureSize, height: pictureSize, channels: 3 });
});

/** Grey values from 0 to 255. */
const pixelsOf = (file: string | Buffer): Promise<Buffer> => sharp(file).raw().toBuffer();

test('the files are what the program draws', { timeout: 60_000 }, async () => {
  for (const [kind, tree] of trees.entries()) {
    const name = readdirSync(join(leaves, tree)).sort()[kind]!;
    const [kept, drawn] = await Promise.all([
      pixelsOf(join(leaves, tree, name)),
      drawLeafPicture(tree, seedOfPicture(tree, Number.parseInt(name, 10))).then(pixelsOf),
    ]);
    const difference = kept.reduce((sum, value, index) => sum + Math.abs(value - drawn[index]!), 0) / kept.length;
    // Another version of the drawing library may round differently; another picture differs by 40 and more.
    expect(difference, `${tree}/${name}`).toBeLessThan(4);
  }
});

test('the same seed draws the same picture, another seed another', async () => {
  const [first, again, other] = await Promise.all([drawLeafPicture('oak', 7), drawLeafPicture('oak', 7), drawLeafPicture('oak', 8)]);
  expect(again.equals(first)).toBe(true);
  expect(other.equals(first)).toBe(false);
});
