import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { documents, root } from './code-blocks.js';

/** A heading as an anchor, in the manner of GitHub. */
const anchorOf = (heading: string): string =>
  heading
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .replace(/\s/g, '-');

const withoutCode = (text: string): string => text.replace(/^```[\s\S]*?^```$/gm, '');
const anchorsOf = (file: string): string[] =>
  [...withoutCode(readFileSync(file, 'utf8')).matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading!));

test.each(documents())('every link of %s leads somewhere', (file) => {
  const text = withoutCode(readFileSync(join(root, file), 'utf8'));
  const broken = [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^https?:/.test(target))
    .filter((target) => {
      const [path, anchor] = target.split('#');
      const full = path === '' ? join(root, file) : join(root, dirname(file), path!);
      return !existsSync(full) || (anchor !== undefined && !anchorsOf(full).includes(anchor));
    });
  expect(broken).toEqual([]);
});

/** A document may name files of the repository in backticks; they must exist. */
test.each(documents())('every file that %s names is there', (file) => {
  const text = withoutCode(readFileSync(join(root, file), 'utf8'));
  const named = [...text.matchAll(/`((?:src|test|examples|docs|tools|bench)\/[\w./-]+)`/g)].map(([, path]) => path!);
  expect(named.filter((path) => !existsSync(join(root, path)))).toEqual([]);
});

test('documents speak of the library alone', () => {
  for (const file of documents()) {
    const text = readFileSync(join(root, file), 'utf8');
    expect(text.match(/(?:^|[\s`(])\/(?:work|tmp|opt|home|root)\b|issue #?\d|TODO|FIXME/gi), file).toBeNull();
  }
});
