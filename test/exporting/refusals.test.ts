/** What cannot be exported is refused with the reason, and nothing is written. */
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addHead } from '../../src/add-head.js';
import { bert } from '../../src/backbones/bert.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import { exportOnnx, toOnnx } from '../../src/export-onnx.js';
import { exportTfjs } from '../../src/export-tfjs.js';
import { contrastive } from '../../src/few-shot/contrastive-head.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinyModel } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { untrainedBase } from '../../src/untrained-base.js';
import { expectError } from '../weights/expect-error.js';

const shelf = mkdtempSync(join(tmpdir(), 'transferkit-refusals-'));
beforeAll(() => runtime.chooseBackend('wasm'));
afterAll(() => rmSync(shelf, { recursive: true, force: true }));

describe('what is exported', () => {
  test.each([null, undefined, './flowers-model', { predict: 1 }])('%s is no model', async (given) => {
    await expectError(() => toOnnx(given as never), 'bad-option', 'toOnnx exports a model or a base');
    await expectError(() => exportOnnx(given as never, join(shelf, 'none')), 'bad-option', 'exportOnnx exports');
    await expectError(() => exportTfjs(given as never, join(shelf, 'none')), 'bad-option', 'exportTfjs exports');
  });

  test('what was disposed', async () => {
    const model = await tinyModel(mobilenetV2, runtime);
    model.dispose();
    await expectError(() => toOnnx(model), 'disposed');
    await expectError(() => toOnnx(model.base), 'disposed');
  });

  test('options that do not exist', async () => {
    const model = await tinyModel(mobilenetV2, runtime);
    await expectError(() => toOnnx(model, { precison: 'int8' } as never), 'bad-option', 'toOnnx has no option "precison"', 'precision');
    await expectError(() => exportOnnx(model, shelf, { format: 'file' } as never), 'bad-option', 'exportOnnx has no option "format"');
    await expectError(
      () => toOnnx(model, { precision: 'int4' as never }),
      'unknown-name',
      'there is no precision "int4"',
      'float32, float16, int8',
    );
    model.dispose();
  });

  test('an operation that no graph can hold, by its name', async () => {
    class Sorted extends layers.Layer {
      static readonly className = 'TestSorted';
      override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
        return tf.topk(Array.isArray(inputs) ? inputs[0]! : inputs, 2).values;
      }
      override computeOutputShape(): number[] {
        return [null as never, 2];
      }
    }
    const base = await tinyBase(mobilenetV2, runtime);
    const build = ({ shapes }: any) => {
      const features = input({ shape: [...shapes[0]], name: 'features' });
      return layersModel({ inputs: features, outputs: new Sorted({ name: 'sorted' }).apply(features) as SymbolicTensor });
    };
    const model = addHead(base, { ...contrastive(), branches: 1, build } as never) as AnyModel;
    await expectNoLeaks(() => expectError(() => toOnnx(model), 'unsupported', 'TopK'));
    await expectError(() => exportOnnx(model, join(shelf, 'sorted')), 'unsupported', 'TopK');
    await expectNoLeaks(() =>
      expectError(() => exportTfjs(model, join(shelf, 'sorted')), 'unsupported', 'layer "sorted" of class TestSorted', 'exportOnnx'),
    );
    expect(existsSync(join(shelf, 'sorted'))).toBe(false);
    model.dispose();
  });
});

describe('inputs', () => {
  test('pictures of no size', async () => {
    const input = { ...(mobilenetV2.tiny.input as any), resize: null };
    const base = await untrainedBase(mobilenetV2, { ...mobilenetV2.tiny, input, runtime });
    await expectError(() => toOnnx(base), 'unsupported', 'have no size of their own', 'crop');
    base.dispose();
  });

  test('unknown tokens that are left out of a network that looks at places', async () => {
    const input = { ...(bert.tiny.input as any), dropUnknown: true };
    const base = await untrainedBase(bert, { ...bert.tiny, input, runtime });
    await expectError(() => toOnnx(base), 'unsupported', 'leaves out tokens', 'dropUnknown: false');
    base.dispose();
  });

  test('a tokenizer that is no file', async () => {
    const family = {
      ...bert,
      processor: async (recipe: any, context: any) => ({ ...(await bert.processor(recipe, context)), files: new Map() }),
    };
    const base = await untrainedBase(family, { ...bert.tiny, runtime });
    await expectError(() => toOnnx(base), 'unsupported', 'tokenizer.json or vocab.txt', 'no files');
    base.dispose();
  });
});

describe('places', () => {
  test.each([
    ['exportOnnx', exportOnnx],
    ['exportTfjs', exportTfjs],
  ] as const)('%s replaces an export and nothing else', async (name, write) => {
    const model = await tinyModel(mobilenetV2, runtime);
    const folder = join(shelf, name);
    mkdirSync(folder);
    writeFileSync(join(folder, 'photo.jpg'), 'mine');
    await expectError(() => write(model, folder), 'bad-option', 'photo.jpg', 'an export that was saved before');
    expect(readdirSync(folder)).toEqual(['photo.jpg']);
    rmSync(join(folder, 'photo.jpg'));
    const { files } = await write(model, folder);
    expect((readdirSync(folder, { recursive: true }) as string[]).filter((path) => path.includes('.')).sort()).toEqual(files);
    await write(model, folder);
    writeFileSync(join(folder, 'notes.txt'), 'mine');
    await expectError(() => write(model, folder), 'bad-option', 'notes.txt');
    expect(readFileSync(join(folder, 'notes.txt'), 'utf8')).toBe('mine');
    model.dispose();
  });

  test('a saved model, a file, a broken record, no path', async () => {
    const model = await tinyModel(mobilenetV2, runtime);
    const saved = join(shelf, 'saved');
    await model.save(saved);
    await expectError(() => exportOnnx(model, saved), 'bad-option', 'holds other things');
    writeFileSync(join(shelf, 'file'), '');
    await expectError(() => exportOnnx(model, join(shelf, 'file')), 'bad-option', 'is a file');
    mkdirSync(join(shelf, 'broken'));
    writeFileSync(join(shelf, 'broken/config.json'), '{"transferkit_export": ');
    await expectError(() => exportOnnx(model, join(shelf, 'broken')), 'bad-option', 'config.json');
    for (const path of ['', undefined])
      await expectError(() => exportOnnx(model, path as never), 'bad-option', 'needs the path of a folder');
    model.dispose();
  });
});
