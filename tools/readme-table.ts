/**
 * Writes the table of what is supported into README.md, from the lists of the package.
 *
 *   npx tsx tools/readme-table.ts          writes it
 *   npx tsx tools/readme-table.ts --check  fails when it is out of date
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { format, resolveConfig } from 'prettier';
import { backbones } from '../src/backbones/index.js';
import { pretrainedNames } from '../src/catalogue.js';
import { sources } from '../src/sources/index.js';

const readme = new URL('../README.md', import.meta.url);
const start = '<!-- support: written by tools/readme-table.ts -->';
const end = '<!-- /support -->';

const code = (text: string): string => `\`${text}\``;
const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const markdownTable = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [line(header), line(header.map(() => '---')), ...rows.map(line)].join('\n');

/** Names of the catalogue that belong to a family. */
const namesOf = (family: string): string =>
  Object.entries(pretrainedNames)
    .filter(([, { backbone }]) => backbone === family)
    .map(([name]) => code(name))
    .join(', ');

/** The support section: families with the layouts that fill them, and places that checkpoints come from. */
export async function supportTables(): Promise<string> {
  const families = await Promise.all(
    backbones.map(async ({ name, load }) => {
      const { modality, weights } = await load();
      return [code(name), modality === 'image' ? 'photos' : 'text', Object.keys(weights).join(', '), namesOf(name)];
    }),
  );
  const places = sources.map(({ name, example }) => [code(name), code(example)]);
  const first = markdownTable(['backbone family', 'for', 'checkpoint layouts', 'known names'], families);
  return `${first}\n\n${markdownTable(['source', 'address'], places)}`;
}

/** README.md with the section as it should be. */
export async function withSupportTables(text: string): Promise<string> {
  const [from, to] = [text.indexOf(start), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`README.md lacks "${start}" ... "${end}"`);
  const whole = `${text.slice(0, from + start.length)}\n\n${await supportTables()}\n\n${text.slice(to)}`;
  return format(whole, { ...(await resolveConfig(readme)), parser: 'markdown' });
}

if (process.argv[1]?.endsWith('readme-table.ts') === true) {
  const text = readFileSync(readme, 'utf8');
  const wanted = await withSupportTables(text);
  if (!process.argv.includes('--check')) writeFileSync(readme, wanted);
  else if (wanted !== text) throw new Error('the support table of README.md is out of date.\n  Fix: npx tsx tools/readme-table.ts');
}
