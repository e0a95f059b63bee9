/**
 * Draws the leaves in examples/data: one folder per tree.
 *
 *   npx tsx examples/support/draw-leaves.ts [folder]
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { drawLeafPicture, seedOfPicture } from './leaf-picture.js';
import { trees } from './leaf-shapes.js';

/** Pictures of each tree. */
const each = 40;

const folder = process.argv[2] ?? 'examples/data/leaves';
for (const tree of trees) {
  mkdirSync(join(folder, tree), { recursive: true });
  for (let number = 1; number <= each; number++) {
    const picture = await drawLeafPicture(tree, seedOfPicture(tree, number));
    writeFileSync(join(folder, tree, `${String(number).padStart(2, '0')}.jpg`), picture);
  }
}
