import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { addHead, classification, runtime } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { tinyBase, tinyModel } from 'transferkit/testing';
import { contrastive } from '../../src/few-shot/contrastive-head.js';
import { difference, exampleMark, makeFingerprint, type RunFacts } from '../../src/training/checkpoint/fingerprint.js';
import type { AnyModel } from '../../src/training/weight-set.js';

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

describe('the mark of an example', () => {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-photo-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, 'a.jpg');
  const bytes = Uint8Array.of(1, 2, 3, 4);
  writeFileSync(path, bytes);
  const item = { id: 'a', target: 'even' };

  test('tells a photo by its content, however it is given', async () => {
    using model = await tinyModel(mobilenetV2, runtime);
    const of = (input: unknown) => exampleMark(model, { ...item, input: input as never });
    const mark = await of(path);
    for (const input of [pathToFileURL(path), bytes, bytes.buffer, new Blob([bytes]), { image: path, limits: {} }])
      expect(await of(input)).toBe(mark);
    expect(await of(Uint8Array.of(1, 2, 3, 5))).not.toBe(mark);
    const pixels = (width: number, height: number) => of({ width, height, data: bytes });
    expect(await pixels(1, 4)).not.toBe(await pixels(4, 1));
    const tensor = (...shape: readonly number[]) => of({ shape, dataSync: () => [1, 2, 3, 4] });
    expect(await tensor(2, 2, 1)).not.toBe(await tensor(1, 4, 1));
  });

  test('tells what is not fetched by its address', async () => {
    using model = await tinyModel(mobilenetV2, runtime);
    const of = (input: string) => exampleMark(model, { ...item, input });
    expect(await of('https://host/a.jpg')).toContain('https://host/a.jpg');
    expect(await of('https://host/a.jpg')).not.toBe(await of('https://host/b.jpg'));
  });

  test('tells each input of a pair by its own content', async () => {
    using pairs = addHead(await tinyBase(mobilenetV2, runtime), contrastive()) as unknown as AnyModel;
    const of = (...input: readonly unknown[]) => exampleMark(pairs, { id: 'a', input: input as never, target: 1 });
    expect(await of(path, bytes)).toBe(await of(bytes, path));
    expect(await of(path, path)).not.toBe(await of(path, Uint8Array.of(9)));
    const besideAddress = (last: number) => of('https://host/a.jpg', new Blob([Uint8Array.of(1, last)]));
    expect(await besideAddress(2)).toBe(await besideAddress(2));
    expect(await besideAddress(2)).not.toBe(await besideAddress(3));
  });

  test('tells a text by its letters, also when a file is called so', async () => {
    using model = await tinyModel(bert, runtime);
    const of = (input: string) => exampleMark(model, { ...item, input });
    const before = await of(path);
    writeFileSync(path, Uint8Array.of(5, 6));
    expect(await of(path)).toBe(before);
    writeFileSync(path, bytes);
    expect(await of('a')).not.toBe(await of('b'));
  });

  test('holds name, target and weight', async () => {
    using model = await tinyModel(bert, runtime);
    const marks = [item, { ...item, id: 'b' }, { ...item, target: 'odd' }, { ...item, weight: 2 }].map((facts) =>
      exampleMark(model, { ...facts, input: 'one' }),
    );
    expect(new Set(await Promise.all(marks)).size).toBe(4);
  });
});
