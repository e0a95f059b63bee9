import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const root = resolve(import.meta.dirname, '../..');
const dist = (path: string): string => join(root, 'dist', path);

test('the exported names are those that were agreed on', async () => {
  const entries = ['index', 'data/index', 'testing', 'runtimes/node'];
  const names = await Promise.all(
    entries.map(async (entry) => [entry, Object.keys((await import(dist(`${entry}.js`))) as object).sort()] as const),
  );
  expect(Object.fromEntries(names)).toMatchSnapshot();
});

test('every plug-in file is built, and has a definition of its own name', async () => {
  const files = readdirSync(join(root, 'src/backbones')).filter(
    (file) => file.endsWith('.ts') && !['index.ts', 'backbone.ts'].includes(file),
  );
  for (const file of files) {
    const exported = Object.values((await import(dist(`backbones/${file.slice(0, -3)}.js`))) as Record<string, { name?: string }>);
    expect(exported.map((value) => value.name)).toContain(file.slice(0, -3));
  }
});

test('the version is that of package.json', () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string };
  expect(readFileSync(join(root, 'src/saving/version.ts'), 'utf8')).toContain(`'${version}'`);
  expect(readFileSync(join(root, 'CHANGELOG.md'), 'utf8')).toContain(`## [${version}]`);
});
