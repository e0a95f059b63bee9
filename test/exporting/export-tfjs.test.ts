/** Exported LayersModels, loaded over HTTP by a program that imports nothing but TensorFlow.js, give what the models themselves give. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { createAdapter } from '../../src/adapters/create-adapter.js';
import { lora } from '../../src/adapters/lora.js';
import { addHead } from '../../src/add-head.js';
import { bert } from '../../src/backbones/bert.js';
import { backbones, findBackbone } from '../../src/backbones/index.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { staticEmbedding } from '../../src/backbones/static-embedding.js';
import { exportTfjs } from '../../src/export-tfjs.js';
import { contrastive } from '../../src/few-shot/contrastive-head.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinyModel, tinySamples } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { randomize } from '../adapters/random-adapter.js';
import { expectError } from '../weights/expect-error.js';
import { largestDifference, softmaxRows } from './run-export.js';

vi.stubEnv('TRANSFERKIT_ENGINE', 'eager');
const shelf = mkdtempSync(join(tmpdir(), 'transferkit-tfjs-'));
let server: Server;
const address = (name: string): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}/${name}/model.json`;

beforeAll(async () => {
  await runtime.chooseBackend('wasm');
  server = createServer((request, response) => {
    response.end(readFileSync(join(shelf, request.url!)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterAll(() => {
  server.close();
  vi.unstubAllEnvs();
  rmSync(shelf, { recursive: true, force: true });
});

interface PlainResult {
  readonly layers: string[];
  readonly shape: number[];
  readonly values: number[];
}

/** What plain tfjs makes of a folder and of encoded inputs. */
async function runPlain(name: string, inputs: readonly { values: number[]; shape: number[] }[]): Promise<PlainResult> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'load-plain.mjs')], { stdio: ['pipe', 'pipe', 'pipe'] });
  const texts = { out: '', error: '' };
  child.stdout.on('data', (chunk) => (texts.out += String(chunk)));
  child.stderr.on('data', (chunk) => (texts.error += String(chunk)));
  child.stdin.end(JSON.stringify({ address: address(name), inputs }));
  await new Promise((resolve) => child.on('close', resolve));
  if (texts.out === '') throw new Error(texts.error.slice(-2000));
  return JSON.parse(texts.out) as PlainResult;
}

/** The samples of a model's family as its network takes them: [batch, height, width, 3]. */
async function encodedSamples({ base }: { base: AnyModel['base'] }) {
  const raw = tinySamples(base.parts.family).items.map(({ input }) => input);
  const encoded = await Promise.all(raw.map((one) => base.parts.processor.encode(one)));
  const values = encoded.flatMap(({ arrays }) => Array.from(arrays[0]!.values));
  return { raw, input: { values, shape: [raw.length, ...encoded[0]!.arrays[0]!.shape] } };
}

async function expectSame(model: AnyModel, name: string): Promise<void> {
  await exportTfjs(model, join(shelf, name));
  const { raw, input } = await encodedSamples(model);
  const result = await runPlain(name, [input]);
  expect(result.layers.filter((layer) => layer.startsWith('TransferKit'))).toEqual([]);
  const own = (await model.predict(raw as never)).flatMap(({ scores }: any) => model.labels.map((label: string) => scores[label]));
  expect(largestDifference(softmaxRows(result).flat(), own)).toBeLessThan(1e-4);
}

/** A graph of somebody else is a file already. */
const families = (await Promise.all(backbones.map(({ name }) => findBackbone(name)))).filter(({ attach }) => attach === undefined);
const images = families.filter(({ modality }) => modality === 'image').map((family) => ({ name: family.name, family }));

describe.each(images)('$name', ({ name, family }) => {
  test('a model: scores', async () => {
    await expectNoLeaks(async () => {
      const model = await tinyModel(family, runtime);
      await expectSame(model, `${name}-model`);
      model.dispose();
    });
  });

  test('a base: pooled features', async () => {
    const base = await tinyBase(family, runtime);
    await exportTfjs(base, join(shelf, `${name}-base`));
    const { raw, input } = await encodedSamples({ base });
    const { shape, values } = await base.embed(raw as never);
    const result = await runPlain(`${name}-base`, [input]);
    expect(result.shape).toEqual(shape);
    expect(largestDifference(result.values, values)).toBeLessThan(1e-5);
    base.dispose();
  });

  test('an adapter is merged', async () => {
    const model = await tinyModel(family, runtime);
    model.useAdapter(randomize(createAdapter(model.base, lora({ rank: 2 }))));
    await expectNoLeaks(() => expectSame(model, `${name}-adapter`));
    model.dispose();
  });

  test('a head that compares two inputs shares the base', async () => {
    const model = addHead(await tinyBase(family, runtime), contrastive() as never) as AnyModel;
    await exportTfjs(model, join(shelf, `${name}-pairs`));
    const { raw, input } = await encodedSamples(model);
    const turned = [...raw.slice(1), raw[0]!];
    const width = input.values.length / raw.length;
    const second = { ...input, values: [...input.values.slice(width), ...input.values.slice(0, width)] };
    const result = await runPlain(`${name}-pairs`, [input, second]);
    const own = await model.predict(raw.map((one, index) => [one, turned[index]]) as never);
    expect(
      largestDifference(
        result.values,
        own.map(({ cosine }: any) => cosine),
      ),
    ).toBeLessThan(1e-5);
    model.dispose();
  });
});

test('a whole trained network in several files', async () => {
  const base = await loadPretrained('image-small');
  const { files } = await exportTfjs(base, join(shelf, 'image-small'));
  expect(files.filter((file) => file.endsWith('.bin')).length).toBeGreaterThan(1);
  const { arrays } = await base.parts.processor.encode('test/golden/inputs/rgb.jpg');
  const result = await runPlain('image-small', [{ values: Array.from(arrays[0]!.values), shape: [1, ...arrays[0]!.shape] }]);
  const own = (await base.embed('test/golden/inputs/rgb.jpg')).values;
  expect(largestDifference(result.values, own)).toBeLessThan(1e-4 * Math.max(1, ...own));
  base.dispose();
});

test('model.json tells the recipe, the labels and what lies beside it', async () => {
  const model = await tinyModel(mobilenetV2, runtime);
  const { files } = await exportTfjs(model, join(shelf, 'told'));
  const { userDefinedMetadata, format } = JSON.parse(readFileSync(join(shelf, 'told/model.json'), 'utf8'));
  expect(format).toBe('layers-model');
  expect(userDefinedMetadata).toMatchObject({ labels: ['even', 'odd'], backbone: 'mobilenet-v2', input: { kind: 'image' } });
  expect([...userDefinedMetadata.transferkit_export.files].sort()).toEqual(files);
  model.dispose();
});

test.each([
  { family: bert, layer: /layer "[^"]+" of class TransferKit/ },
  { family: staticEmbedding, layer: 'layer "embeddings/pooling" of class TransferKitTokenPooling' },
])('a network of $family.name is refused by the layer that tfjs lacks', async ({ family, layer }) => {
  const model = await tinyModel(family, runtime);
  await expectNoLeaks(() => expectError(() => exportTfjs(model, join(shelf, 'refused')), 'unsupported', layer, 'exportOnnx'));
  model.dispose();
});
