/**
 * Writes exports for the programs beside this one to check: the tiny networks of every family and the networks that ship with the
 * package, each as a model and as a base, in every precision, with what the models themselves give in `expected.json`.
 *
 *   npx tsx tools/exports/write-exports.ts <folder> [<checkpoint> ...]
 *
 * `<checkpoint>` is anything that loadPretrained takes; it gets a head with random weights.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { addHead } from '../../src/add-head.js';
import { backbones, findBackbone } from '../../src/backbones/index.js';
import type { Base } from '../../src/base.js';
import { exportOnnx } from '../../src/export-onnx.js';
import { classification } from '../../src/heads/classification.js';
import { checkImageRecipe } from '../../src/inputs/check-image-recipe.js';
import { recipeSize } from '../../src/inputs/image-recipe.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import { runtime } from '../../src/runtimes/node.js';
import { tinyBase } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';

const [folder, ...checkpoints] = process.argv.slice(2);
if (folder === undefined) throw new Error('usage: npx tsx tools/exports/write-exports.ts <folder> [<checkpoint> ...]');
mkdirSync(folder, { recursive: true });
process.env['TRANSFERKIT_ENGINE'] = 'eager'; // what is expected is computed by tfjs
await runtime.chooseBackend('wasm');

const sentences = ['the red rose', 'A late train was not very good!', 'one cat and two dogs, in the blue sky', 'zzz'];
const photo = (name: string): string => fileURLToPath(new URL(`../../test/golden/inputs/${name}`, import.meta.url));

/** A picture of the size that pictures are brought to, which no library resizes, and a photo that each resizes in its way. */
async function pictures(base: Base): Promise<string[]> {
  const recipe = checkImageRecipe(base.parts.processor.recipe);
  const { resize } = recipe;
  const [height, width] = resize?.mode === 'shortest-edge' ? [resize.size, resize.size] : (recipeSize(recipe) as [number, number]);
  const path = join(folder!, `exact-${height}x${width}.png`);
  await sharp(photo('rgb.jpg')).resize({ width, height, fit: 'fill' }).removeAlpha().png().toFile(path);
  return [path, photo('large.jpg')];
}

const names: string[] = [];
async function write(name: string, base: Base): Promise<void> {
  const model = addHead(base, classification(['first', 'second', 'third']), { seed: 3 }) as AnyModel;
  const inputs = base.modality === 'image' ? await pictures(base) : sentences;
  const expected = {
    modality: base.modality,
    inputs,
    predictions: await model.predict(inputs as never),
    ...(await base.embed(inputs as never)),
  };
  for (const [kind, subject] of [
    ['model', model],
    ['base', base],
  ] as const)
    // prettier-ignore
    for (const precision of ['float32', 'float16', 'int8'] as const) {
      const place = `${name}-${kind}-${precision}`;
      const { bytes } = await exportOnnx(subject, join(folder!, place), { precision });
      writeFileSync(join(folder!, `${place}.json`), JSON.stringify({ ...expected, kind, precision, values: [...expected.values] }));
      names.push(place);
      console.log(place, `${bytes} bytes`);
    }
  model.dispose();
}

for (const { name } of backbones) await write(`tiny-${name}`, await tinyBase(await findBackbone(name), runtime));
for (const name of ['image-small', 'text-small', 'text-transformer']) await write(name, await loadPretrained(name));
for (const [index, checkpoint] of checkpoints.entries()) await write(`checkpoint-${index + 1}`, await loadPretrained(checkpoint));
writeFileSync(join(folder, 'exports.json'), JSON.stringify(names));
