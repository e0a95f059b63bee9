/**
 * Writes the frozen features of a base on the measured sets as NumPy files, so that one and the same head can be put on any of them.
 *
 *   npx tsx tools/pretrain/embed.ts <base> <data folder> <output folder> <set ...>
 *
 * A set is `sst2` and the like, or `flowers`, `cats-dogs`, `clothing`. `untrained:<base>` builds the same network with random
 * weights. Writes `<set>.<part>.npy` [examples, features] and, for photos, `<set>.<part>.labels.json`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadPretrained, untrainedBase, type Base } from 'transferkit';
import { imageFolder, table, type Dataset } from 'transferkit/data';

const [id, data, output, ...sets] = process.argv.slice(2);
if (id === undefined || data === undefined || output === undefined || sets.length === 0)
  throw new Error('usage: npx tsx tools/pretrain/embed.ts <base> <data folder> <output folder> <set ...>');

const photoSets = ['flowers', 'cats-dogs', 'clothing'];
const batch = 32;

/** Version 1.0 of NumPy's file format, float32. */
function npy(rows: readonly Float32Array[]): Uint8Array {
  const header = `{'descr': '<f4', 'fortran_order': False, 'shape': (${rows.length}, ${rows[0]!.length}), }`;
  const length = Math.ceil((header.length + 11) / 64) * 64 - 10;
  const start = new Uint8Array([0x93, ...new TextEncoder().encode('NUMPY'), 1, 0, length & 255, length >> 8]);
  const text = new TextEncoder().encode(header.padEnd(length - 1) + '\n');
  return Buffer.concat([start, text, ...rows.map((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength))]);
}

async function load(name: string): Promise<Base> {
  if (!name.startsWith('untrained:')) return loadPretrained(name);
  const trained = await loadPretrained(name.slice('untrained:'.length));
  const { family, config, processor } = trained.parts;
  const base = await untrainedBase(family, { config, input: processor.recipe as never });
  trained.dispose();
  return base as Base;
}

async function embedAll(base: Base, dataset: Dataset, name: string): Promise<Float32Array[]> {
  const rows: Float32Array[] = [];
  for (let start = 0; start < dataset.length; start += batch) {
    const inputs = dataset.items.slice(start, start + batch).map(({ input }) => input);
    const { values, shape } = await base.embed(inputs as never);
    for (let row = 0; row < inputs.length; row++) rows.push(values.slice(row * shape[1]!, (row + 1) * shape[1]!));
    if ((start / batch) % 50 === 0) process.stderr.write(`${name} ${start}/${dataset.length}\n`);
  }
  return rows;
}

mkdirSync(output, { recursive: true });
const base = await load(id);
for (const set of sets)
  for (const part of ['train', 'test']) {
    const isPhotos = photoSets.includes(set);
    const dataset = (isPhotos
      ? await imageFolder(join(data, 'images', set, part))
      : await table(join(data, 'text', set, `${part}.csv`))) as unknown as Dataset;
    const started = performance.now();
    writeFileSync(join(output, `${set}.${part}.npy`), npy(await embedAll(base, dataset, `${set}.${part}`)));
    if (isPhotos) writeFileSync(join(output, `${set}.${part}.labels.json`), JSON.stringify(dataset.items.map(({ target }) => target)));
    console.log(
      `${set}.${part}: ${dataset.length} examples, ${(dataset.length / ((performance.now() - started) / 1000)).toFixed(0)} a second`,
    );
  }
base.dispose();
