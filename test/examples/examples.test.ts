import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'transferkit-examples-'));
const example = (...parameters: string[]): string =>
  execFileSync(process.execPath, ['--import', 'tsx', ...parameters], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

/** A few of the leaves, as a user's folder of photos. */
beforeAll(() => {
  for (const tree of ['ginkgo', 'maple', 'willow'])
    for (let number = 1; number <= 10; number++) {
      const path = `${tree}/${String(number).padStart(2, '0')}.jpg`;
      mkdirSync(join(scratch, 'photos', tree), { recursive: true });
      cpSync(join(root, 'examples/data/leaves', path), join(scratch, 'photos', path));
    }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const complete = /Training plan[\s\S]*accuracy[\s\S]*saved to/;

test('photos.ts trains, judges, saves and loads, on the network that ships', () => {
  const printed = example('examples/photos.ts', join(scratch, 'photos'), 'image-small', join(scratch, 'photos-model'));
  expect(printed).toMatch(complete);
  const card = readFileSync(join(scratch, 'photos-model/README.md'), 'utf8');
  expect(card).toContain('library_name: transferkit');
  expect(card).toContain('bundled://image-small');
});

test('photos.ts takes another base', () => {
  const checkpoint = 'test/golden/mobilenet-v2/huggingface/checkpoint';
  expect(example('examples/photos.ts', join(scratch, 'photos'), checkpoint, join(scratch, 'other-model'))).toMatch(complete);
});

test('sentences.ts trains, judges, saves and loads', () => {
  const checkpoint = 'test/golden/bert/sentence-transformers-mean/checkpoint';
  expect(example('examples/sentences.ts', 'examples/data/tickets.csv', checkpoint, join(scratch, 'tickets-model'))).toMatch(complete);
});

test('sentences.ts without a base takes the one that ships', () => {
  const folder = join(scratch, 'home');
  mkdirSync(folder);
  const script = join(root, 'examples/sentences.ts');
  const printed = execFileSync(
    process.execPath,
    ['--import', join(root, 'node_modules/tsx/dist/loader.mjs'), script, join(root, 'examples/data/tickets.csv')],
    {
      cwd: folder,
      encoding: 'utf8',
      env: { ...process.env, TSX_TSCONFIG_PATH: join(root, 'tsconfig.json') },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  expect(printed).toMatch(complete);
  expect(readFileSync(join(folder, 'sentences-model/README.md'), 'utf8')).toContain('bundled://text-small');
});
