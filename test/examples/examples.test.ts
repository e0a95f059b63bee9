import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { drawPhoto, newShapes } from '../../examples/support/drawn-photos.js';

const root = resolve(import.meta.dirname, '../..');
const scratch = mkdtempSync(join(tmpdir(), 'transferkit-examples-'));
const example = (...parameters: string[]): string =>
  execFileSync(process.execPath, ['--import', 'tsx', ...parameters], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

beforeAll(async () => {
  for (const [label, shape] of Object.entries(newShapes).slice(0, 3)) {
    mkdirSync(join(scratch, 'photos', label), { recursive: true });
    for (let index = 0; index < 10; index++) {
      const { width, height, data } = drawPhoto(shape, index, 48);
      await sharp(data, { raw: { width, height, channels: 3 } })
        .png()
        .toFile(join(scratch, 'photos', label, `${index}.png`));
    }
  }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test('photos.ts trains, judges, saves and loads', () => {
  const printed = example(
    'examples/photos.ts',
    join(scratch, 'photos'),
    'test/golden/mobilenet-v2/huggingface/checkpoint',
    join(scratch, 'photos-model'),
  );
  expect(printed).toMatch(/Training plan[\s\S]*accuracy[\s\S]*saved to/);
  expect(readFileSync(join(scratch, 'photos-model/README.md'), 'utf8')).toContain('library_name: transferkit');
});

test('sentences.ts trains, judges, saves and loads', () => {
  const printed = example(
    'examples/sentences.ts',
    'examples/data/tickets.csv',
    'test/golden/bert/sentence-transformers-mean/checkpoint',
    join(scratch, 'tickets-model'),
  );
  expect(printed).toMatch(/Training plan[\s\S]*accuracy[\s\S]*saved to/);
});
