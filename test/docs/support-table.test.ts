import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { supportTables, withSupportTables } from '../../tools/readme-table.js';
import { root } from './code-blocks.js';

test('the table of README.md says what the lists say', async () => {
  const text = readFileSync(join(root, 'README.md'), 'utf8');
  expect(await withSupportTables(text)).toBe(text);
});

test('it names families, layouts, sources and known names', async () => {
  const tables = await supportTables();
  for (const name of ['`mobilenet-v2`', 'torchvision', '`bert`', '`hugging-face`', '`minilm`']) expect(tables).toContain(name);
});
