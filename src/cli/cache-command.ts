import { createInterface } from 'node:readline/promises';
import { parseArgs } from 'node:util';
import { chooseEntries, clearCache, listCache, type ClearOptions } from '../cache.js';
import { TransferKitError } from '../errors.js';
import { cacheTable, sizeWords } from './cache-table.js';
import type { Terminal } from './run.js';

export const cacheHelp = `transferkit cache [--json] [--directory <folder>]
transferkit cache clear [name] [--features | --downloads] [--older-than <time>]
                        [--yes] [--json] [--directory <folder>]

  name          the name of one entry, or enough of its beginning
  --features    only features; --downloads: only downloads
  --older-than  only what was not used for so long: 12h, 30d, 8w
  --yes         do not ask
  --json        for programs
  --directory   another cache than that of this machine
`;

const options = {
  features: { type: 'boolean' },
  downloads: { type: 'boolean' },
  'older-than': { type: 'string' },
  yes: { type: 'boolean', short: 'y' },
  json: { type: 'boolean' },
  directory: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const parse = (parameters: readonly string[]) => parseArgs({ args: [...parameters], options, allowPositionals: true });
type Values = ReturnType<typeof parse>['values'];

/** `transferkit cache`: lists and clears. */
export async function cacheCommand(parameters: readonly string[], terminal: Terminal): Promise<number> {
  const { values, positionals } = parse(parameters);
  if (values.help === true) return (terminal.write(cacheHelp), 0);
  const [action, name, ...tooMany] = positionals;
  if (action !== undefined && action !== 'clear') throw badArgument('transferkit cache', 'nothing, or clear', action);
  if (tooMany.length > 0) throw badArgument('transferkit cache clear', 'one name at most', tooMany.join(' '));
  return action === 'clear' ? clear(clearOptions(values, name), values, terminal) : list(values, terminal);
}

const badArgument = (what: string, expected: string, received: string): TransferKitError =>
  new TransferKitError('bad-option', `${what} takes ${expected}.\n  Received: ${received}\n  Fix: see transferkit --help`);

const placeOf = ({ directory }: Values) => (directory === undefined ? {} : { directory });

const unitMilliseconds: Readonly<Record<string, number>> = { h: 3_600_000, d: 86_400_000, w: 7 * 86_400_000 };

/** `30d` as milliseconds. */
function parseAge(text: string): number {
  const [, count, unit] = /^(\d+(?:\.\d+)?)([hdw])$/.exec(text) ?? [];
  if (count === undefined) throw badArgument('--older-than', 'hours, days or weeks, such as 12h, 30d or 8w', text);
  return Number(count) * unitMilliseconds[unit!]!;
}

function clearOptions(values: Values, name: string | undefined): ClearOptions {
  const { features = false, downloads = false, 'older-than': age } = values;
  return {
    ...placeOf(values),
    ...(features === downloads ? {} : { kind: features ? 'features' : 'download' }),
    ...(name === undefined ? {} : { name }),
    ...(age === undefined ? {} : { olderThan: parseAge(age) }),
  };
}

async function list(values: Values, terminal: Terminal): Promise<number> {
  const listing = await listCache(placeOf(values));
  terminal.write(values.json === true ? `${JSON.stringify(listing, null, 2)}\n` : cacheTable(listing, terminal.width));
  return 0;
}

async function clear(request: ClearOptions, values: Values, terminal: Terminal): Promise<number> {
  const { path, entries } = await listCache(request);
  const chosen = chooseEntries(entries, request);
  const words = `${chosen.length} ${chosen.length === 1 ? 'entry' : 'entries'}, ${sizeWords(chosen.reduce((sum, { bytes }) => sum + bytes, 0))}`;
  if (chosen.length > 0 && values.yes !== true && !(await confirm(`Remove ${words} from ${path}?`, terminal))) return 1;
  const cleared = await clearCache(request);
  const freed = cleared.removed.reduce((sum, { bytes }) => sum + bytes, 0);
  if (values.json === true) terminal.write(`${JSON.stringify(cleared, null, 2)}\n`);
  else {
    terminal.write(`removed ${cleared.removed.length} of ${words}: ${sizeWords(freed)} are free again\n`);
    for (const { name } of cleared.inUse) terminal.write(`left, because a program uses it: ${name}\n`);
  }
  return cleared.inUse.length === 0 ? 0 : 1;
}

/** Asks a person; where nobody can answer, the answer is no. */
async function confirm(question: string, terminal: Terminal): Promise<boolean> {
  if (!process.stdin.isTTY) {
    terminal.fail(`${question}\nNobody is here to answer: nothing was removed. Pass --yes to remove without asking.\n`);
    return false;
  }
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${question} [y/N] `);
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}
