import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sampleIn, sampleOf } from '../../tools/readme-quickstart.js';

const root = resolve(import.meta.dirname, '../..');
const models = mkdtempSync(join(tmpdir(), 'transferkit-quickstart-'));
const run = (): string =>
  execFileSync(process.execPath, ['--import', 'tsx', 'examples/quickstart.ts', models], {
    cwd: root,
    encoding: 'utf8',
    // Whoever asked the Hub would find nobody there.
    env: { ...process.env, HF_ENDPOINT: 'http://127.0.0.1:9' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });

let printed = '';
/** What is printed of each of the two tasks. */
let parts: readonly string[] = [];
beforeAll(() => {
  printed = run();
  parts = printed.split(/^── /m).slice(1);
}, 170_000);
afterAll(() => rmSync(models, { recursive: true, force: true }));

/** The number in front of the first percent sign of the line that starts with these words. */
const percentOf = (part: string, words: string): number => Number(new RegExp(`^ *${words}[^%\\n]*?(\\d+) %`, 'm').exec(part)![1]);

const tasks = [
  { index: 0, name: 'tickets', network: 'text-small', least: 10 },
  { index: 1, name: 'leaves', network: 'image-small', least: 20 },
] as const;

test('it says what it runs on, and what its data are', () => {
  expect(printed).toMatch(/TransferKit quickstart\non \w+/);
  expect(printed.replace(/\s+/g, ' ')).toContain('were written and drawn for this program: small sets');
});

describe.each(tasks)('$name', ({ index, name, network, least }) => {
  const metrics = (): { figures: Record<string, number> } => JSON.parse(readFileSync(join(models, name, 'metrics.json'), 'utf8'));

  test('shows plan, evaluation, gain, predictions and the place of the model, in this order', () => {
    const words = ['The plan', `no base was named: ${network}`, 'How good it is', 'confusion', 'What pretraining is worth', 'right'];
    const places = words.map((word) => parts[index]!.indexOf(word));
    expect(places).not.toContain(-1);
    expect(places).toEqual([...places].sort((a, b) => a - b));
    expect(parts[index]).toContain(join(models, name));
  });

  test('what is printed is what was measured and saved', () => {
    const accuracy = 100 * metrics().figures['accuracy']!;
    expect(Math.abs(percentOf(parts[index]!, `${network}, as it ships`) - accuracy)).toBeLessThanOrEqual(0.5);
    expect(Math.abs(100 * Number(/accuracy +(\d\.\d+)/.exec(parts[index]!)![1]) - accuracy)).toBeLessThan(0.1);
  });

  test('the gain is the difference of the two rows, and clear', () => {
    const [trained, untrained] = [percentOf(parts[index]!, `${network}, as it ships`), percentOf(parts[index]!, 'with random weights')];
    const gain = Number(/Gain: (-?\d+) points/.exec(parts[index]!)![1]);
    expect(Math.abs(gain - (trained - untrained))).toBeLessThanOrEqual(1);
    expect(gain).toBeGreaterThan(least);
    expect(trained).toBeGreaterThan(percentOf(parts[index]!, 'always the same answer') + 30);
  });

  test('the verdicts on its predictions are true', () => {
    const rows = [...parts[index]!.matchAll(/^ {2}(\S.*?) +(\w+) +\d+ % {2}(right|wrong: (\w+))$/gm)];
    expect(rows.length).toBeGreaterThanOrEqual(6);
    for (const [, , label, , truth] of rows) expect(label).not.toBe(truth);
    for (const [, input, label, verdict] of rows.filter(() => name === 'leaves'))
      expect(verdict === 'right', input).toBe(input!.includes(`/${label}/`));
  });
});

test('it fits a terminal of 100 columns, without colours where nobody looks', () => {
  const lines = printed.replaceAll(models, 'quickstart-models').split('\n');
  expect(lines.filter((line) => line.length > 100)).toEqual([]);
  // eslint-disable-next-line no-control-regex -- that is what must not be there
  expect(printed).not.toMatch(/\u001b/);
});

test('it takes less than a minute, and says so', () => {
  expect(Number(/^(\d+) seconds in all/m.exec(printed)![1])).toBeLessThan(60);
});

/** Backends round differently, and a network that was trained again learns differently. */
const wordsAlone = (text: string): string => text.replace(/[\d█▉▊▋▌▍▎▏-]+|right|wrong: \w+/g, '').replace(/\s+/g, ' ');

test('README.md shows what is printed, but for a few points', () => {
  const [shown, now] = [sampleIn(readFileSync(join(root, 'README.md'), 'utf8')), sampleOf(printed)];
  for (const { network } of tasks)
    for (const words of [`${network}, as it ships`, 'with random weights'])
      expect(Math.abs(percentOf(shown, words) - percentOf(now, words)), words).toBeLessThanOrEqual(5);
  const captions = (text: string): string[] =>
    text
      .split('\n')
      .filter((line) => /^(──|What|New|Some)/.test(line))
      .map(wordsAlone);
  expect(captions(shown)).toEqual(captions(now));
});
