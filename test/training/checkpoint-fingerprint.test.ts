import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect, onTestFinished, test } from 'vitest';
import { addHead, classification, runtime } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { examples } from 'transferkit/data';
import { tinyBase } from 'transferkit/testing';
import { difference, makeFingerprint, type RunFacts } from '../../src/training/checkpoint/fingerprint.js';
import { inputBytes } from '../../src/training/checkpoint/input-bytes.js';

await runtime.chooseBackend('cpu');

const rows = [
  { text: 'one', label: 'a' },
  { text: 'two', label: 'b' },
  { text: 'three', label: 'a' },
];

const facts = async (more: Partial<RunFacts> = {}): Promise<RunFacts> => {
  const model = addHead(await tinyBase(bert, runtime), classification(['a', 'b']));
  onTestFinished(() => model.dispose());
  const plan = { seed: 1, phases: [{ epochs: 2 }], decisions: ['words'], describe: () => 'words' } as never;
  return { model, training: examples(rows), validation: undefined, plan, ...more };
};

/** Paths of what differs between two runs. */
async function differing(before: RunFacts, after: RunFacts): Promise<string[]> {
  const lines = difference(await makeFingerprint(before), await makeFingerprint(after));
  return lines.map((line) => line.split(':')[0]!);
}

test('the same run has the same fingerprint in every process; words do not count', async () => {
  const plan = { seed: 1, phases: [{ epochs: 2 }], decisions: ['other words'], describe: () => 'other words' } as never;
  expect(await differing(await facts(), await facts({ plan }))).toEqual([]);
});

test.each([
  ['a text', [{ text: 'One', label: 'a' }, ...rows.slice(1)]],
  ['a label', [{ text: 'one', label: 'b' }, ...rows.slice(1)]],
  ['the order', [rows[1]!, rows[0]!, rows[2]!]],
])('other data is noticed by %s', async (_what, changed) => {
  expect(await differing(await facts(), await facts({ training: examples(changed) }))).toEqual(['data.training.sha256']);
});

test('fewer examples, validation, another plan, another head and other weights are noticed', async () => {
  const before = await facts();
  expect(await differing(before, await facts({ training: examples(rows.slice(0, 2)) }))).toEqual([
    'data.training.count',
    'data.training.sha256',
  ]);
  expect(await differing(before, await facts({ validation: examples(rows) }))).toEqual(['data.validation']);
  expect(await differing(before, await facts({ plan: { seed: 1, phases: [{ epochs: 3 }] } as never }))).toEqual(['plan.phases[0].epochs']);
  expect(await differing(before, await facts({ more: { note: 1 } }))).toEqual(['note']);
  const other = await facts();
  const [weight] = other.model.base.weights().values();
  tf.tidy(() => {
    weight!.write(tf.add(weight!.read(), 1e-3));
  });
  expect(await differing(before, other)).toEqual(['base.weights.sha256']);
});

test('a photo is told by its content, however it is given', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-photo-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'a.jpg');
  const bytes = Uint8Array.of(1, 2, 3, 4);
  writeFileSync(path, bytes);
  const of = (input: unknown) => inputBytes('image', input, runtime);
  for (const input of [path, new URL(`file://${path}`), bytes, bytes.buffer, new Blob([bytes]), { image: path, limits: {} }])
    expect([...(await of(input))]).toEqual([1, 2, 3, 4]);
  const pixels = (width: number, height: number) => of({ width, height, data: bytes });
  expect(await pixels(1, 4)).not.toEqual(await pixels(4, 1));
  expect(await of({ shape: [2, 2, 1], dataSync: () => [1, 2, 3, 4] })).not.toEqual(
    await of({ shape: [1, 4, 1], dataSync: () => [1, 2, 3, 4] }),
  );
  expect(new TextDecoder().decode(await of('https://host/a.jpg'))).toBe('https://host/a.jpg');
  expect(await of([path, path])).not.toEqual(await of([path]));
  expect(new TextDecoder().decode(await inputBytes('text', path, runtime))).toBe(JSON.stringify(path));
});
