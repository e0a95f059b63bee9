import { gzipSync } from 'node:zlib';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');

/** What a user's bundler makes of some code: the chunk that loads first, and those that load on demand. tfjs is left out. */
async function bundle(code: string): Promise<{ first: string; later: string[] }> {
  const { outputFiles } = await build({
    stdin: { contents: code, resolveDir: root },
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    write: false,
    outdir: '/out',
    entryNames: 'entry',
    chunkNames: 'chunk-[hash]',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    external: ['@tensorflow/*', '@huggingface/*', 'sharp', 'papaparse', 'cli-progress', 'valibot', '#runtime', 'webgpu'],
    alias: { transferkit: resolve(root, 'dist') },
  });
  const texts = new Map(outputFiles.map((file) => [file.path, file.text]));
  const loaded = new Set<string>();
  const follow = (path: string): void => {
    if (loaded.has(path)) return;
    loaded.add(path);
    for (const [, found] of texts.get(path)!.matchAll(/(?:from|import)\s*"(\.\/[^"]+)"/g)) follow(resolve('/out', found!));
  };
  follow('/out/entry.js');
  return {
    first: [...loaded].map((path) => texts.get(path)!).join('\n'),
    later: [...texts].filter(([path]) => !loaded.has(path)).map(([, text]) => text),
  };
}

const kilobytes = (text: string): number => gzipSync(text, { level: 9 }).length / 1000;

/** A fixture: what a user writes, its ceiling in gzip kB, and what must not be in the part that loads first. */
const fixtures = [
  {
    name: 'five verbs',
    code: `export { loadPretrained, freezeBase, addHead, fineTune, evaluate } from './dist/index.js';`,
    ceiling: 75, // what few programs need is loaded on demand; shared chunks of the build still bring some of it along
    absent: [/["'`]node:/, 'WordPiece', 'Tokenizer', 'document.'],
  },
  {
    name: 'image only',
    code: `import { loadPretrained } from './dist/index.js'; import { mobilenetV2 } from './dist/backbones/mobilenet-v2.js'; import { folder } from './dist/sources/folder.js'; export const base = (path) => loadPretrained({ backbone: mobilenetV2, source: folder(path) });`,
    ceiling: 57,
    absent: [/["'`]node:/, 'WordPiece', '@huggingface/tokenizers', 'vocab.txt'],
  },
  {
    name: 'mobilenet-v2',
    code: `export { mobilenetV2 } from './dist/backbones/mobilenet-v2.js';`,
    ceiling: 18.5,
    absent: [/["'`]node:/, 'tokenizer'],
  },
  { name: 'bert', code: `export { bert } from './dist/backbones/bert.js';`, ceiling: 13.5, absent: [/["'`]node:/, 'exif'] },
  {
    name: 'data',
    code: `export { imageFolder, table, examples } from './dist/data/index.js';`,
    ceiling: 7,
    absent: [/["'`]node:/, '@tensorflow/tfjs-layers'],
  },
];

test.each(fixtures)('$name stays below its ceiling and without what it does not need', async ({ name, code, ceiling, absent }) => {
  const { first, later } = await bundle(code);
  console.log(
    `${name}: ${kilobytes(first).toFixed(1)} kB gzip at once, ${later.reduce((sum, text) => sum + kilobytes(text), 0).toFixed(1)} kB on demand (ceiling ${ceiling})`,
  );
  for (const identifier of absent) expect(first).not.toMatch(identifier);
  expect(kilobytes(first)).toBeLessThan(ceiling);
});
