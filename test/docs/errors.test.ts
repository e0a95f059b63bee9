import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { root } from './code-blocks.js';

const read = (path: string): string => readFileSync(join(root, path), 'utf8');
const codes = [...read('src/errors.ts').matchAll(/^ {2}\| '([a-z-]+)'/gm)].map(([, code]) => code!);
const sections = read('docs/errors.md').split(/^## /m).slice(1);

test('every code has a section, in order', () => {
  expect(sections.map((section) => section.split('\n')[0])).toEqual(codes);
});

test('every section shows a message of its code', () => {
  for (const section of sections) expect(section).toContain(`\n\`\`\`text\n${section.split('\n')[0]}: `);
});
