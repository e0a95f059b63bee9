/**
 * Writes into README.md what the quickstart prints, in part: the gain and the predictions.
 *
 *   npx tsx tools/readme-quickstart.ts
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const [start, end] = ['<!-- quickstart: written by tools/readme-quickstart.ts -->', '<!-- /quickstart -->'];

/** The part that README.md shows of all that the quickstart prints. */
export function sampleOf(printed: string): string {
  const tasks = printed.split(/^(?=── )/m).filter((part) => part.includes('What pretraining is worth'));
  const blocks = tasks.map((part) => {
    const title = part.slice(0, part.indexOf('\n'));
    return `${title}\n\n${part.slice(part.indexOf('What pretraining is worth')).trimEnd()}`;
  });
  return blocks.join('\n\n').replace(/[ ]+$/gm, '');
}

/** Where the sample lies in README.md. */
function placeIn(readme: string): readonly [from: number, to: number] {
  const [from, to] = [readme.indexOf(start) + start.length, readme.indexOf(end)];
  if (from < start.length || to < from) throw new Error(`README.md lacks "${start}" ... "${end}"`);
  return [from, to];
}

/** The sample as README.md has it. */
export const sampleIn = (readme: string): string => readme.slice(...placeIn(readme));

function update(): void {
  const models = mkdtempSync(join(tmpdir(), 'transferkit-sample-'));
  const printed = execFileSync(process.execPath, ['--import', 'tsx', 'examples/quickstart.ts', models], { encoding: 'utf8' });
  rmSync(models, { recursive: true });
  const readme = readFileSync('README.md', 'utf8');
  const [from, to] = placeIn(readme);
  writeFileSync('README.md', `${readme.slice(0, from)}\n\n\`\`\`text\n${sampleOf(printed)}\n\`\`\`\n\n${readme.slice(to)}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) update();
