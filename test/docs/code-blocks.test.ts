import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { documentBlocks, docstringBlocks, root, typeErrors, type CodeBlock } from './code-blocks.js';
import { prepareWorkingFolder, type WorkingFolder } from './working-folder.js';

const shown = documentBlocks();
const written = docstringBlocks();
const typescript = (blocks: readonly CodeBlock[]): CodeBlock[] => blocks.filter((block) => block.language === 'ts');

/** Blocks are modules of their own, beside the sources, so that imports are found as in a user's project. */
mkdirSync(join(root, '.docs-blocks'), { recursive: true });
const folder = mkdtempSync(join(root, '.docs-blocks/run-'));

/** A test that a block registers is collected, and run with the block. */
const collectTests = `const test = (name: string, run: () => unknown): void => { ((globalThis as any).collected ??= []).push([name, run]); };`;

function writeBlock(block: CodeBlock, index: number): { path: string; place: string; block: CodeBlock } {
  const path = join(folder, `${block.place.replace(/[^\w]+/g, '-')}-${index}.ts`);
  writeFileSync(path, `${block.code.replace(/^import \{ test \} from 'vitest';$/m, collectTests)}\nexport {};\n`);
  return { path, place: block.place, block };
}

const files = [...typescript(shown), ...typescript(written)].map(writeBlock);

/** Blocks that show how to import a package that need not be here are few, and say why. */
const mostNotRun = 3;

let place: WorkingFolder;
const before = process.cwd();

beforeAll(async () => {
  place = await prepareWorkingFolder();
  vi.stubEnv('HF_ENDPOINT', place.hub.endpoint);
  vi.stubEnv('TRANSFERKIT_CACHE', join(place.folder, 'cache'));
  process.chdir(place.folder);
});

afterAll(async () => {
  process.chdir(before);
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
  await place.close();
});

test('every block has a language that is looked at here', () => {
  expect(shown.filter(({ language }) => !['ts', 'sh', 'text', 'json'].includes(language)).map((block) => block.place)).toEqual([]);
  expect(written.filter(({ language }) => language !== 'ts').map((block) => block.place)).toEqual([]);
});

test('every public verb and factory has an example', () => {
  expect(written.length).toBeGreaterThan(20);
});

test('the type checker accepts every block', () => {
  expect(typeErrors(files)).toEqual([]);
});

test('few blocks are not run, and each says why', () => {
  const left = shown.filter((block) => block.notRun !== undefined);
  expect(left.every((block) => block.notRun!.length > 10)).toBe(true);
  expect(left.map((block) => block.place).length).toBeLessThanOrEqual(mostNotRun);
});

test('commands speak of scripts and files that there are', () => {
  const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> };
  const commands = shown.filter(({ language }) => language === 'sh').flatMap(({ code }) => code.split(/\n|&&/));
  for (const command of commands) {
    const script = /^\s*npm (?:run ([\w:-]+)|(test)\b)/.exec(command);
    if (script !== null) expect(Object.keys(scripts), command).toContain(script[1] ?? script[2]);
    for (const [path] of command.matchAll(/\b(?:examples|tools|bench)\/[\w./-]+\.ts\b/g))
      expect(readFileSync(join(root, path)).length, command).toBeGreaterThan(0);
  }
});

test('JSON blocks are JSON', () => {
  for (const block of shown.filter(({ language }) => language === 'json')) expect(() => JSON.parse(block.code), block.place).not.toThrow();
});

describe('runs', () => {
  const runnable = files.filter(({ block }) => block.notRun === undefined);
  test.each(runnable)('$place', async ({ path }) => {
    const speak = [vi.spyOn(console, 'log'), vi.spyOn(console, 'table')].map((spy) => spy.mockImplementation(() => undefined));
    const collected: [string, () => unknown][] = [];
    Object.assign(globalThis, { collected });
    try {
      await import(path);
      // Docstrings show how suites of the package's own plug-ins are registered; those run elsewhere.
      if (!path.includes('/src-')) for (const [, run] of collected) await run();
    } finally {
      speak.forEach((spy) => spy.mockRestore());
    }
  });
});
