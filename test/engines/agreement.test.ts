import * as tf from '@tensorflow/tfjs-core';
import { layers, model, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAdapter, evaluate, fineTune, loadModel, lora } from 'transferkit';
import { expectNoLeaks, tinyBase, tinyModel, tinySamples } from 'transferkit/testing';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { backbones } from '../../src/backbones/index.js';
import { createLocalExtractor } from '../../src/feature-cache/local-extractor.js';
import { createWorkerExtractor } from '../../src/workers/worker-extractor.js';
import { storeIdentity } from '../../src/feature-cache/store-key.js';
import { runtime } from '../../src/runtimes/node.js';
import { savedFiles } from '../../src/saving/save-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { sharedSource } from '../../src/workers/shared-model.js';
import { withOnnxRuntime } from './with-onnx-runtime.js';

const families = await Promise.all(backbones.map(async ({ load }) => await load()));

/** Two arrays of numbers whose differences are at most a share of the largest number. */
function expectClose(received: ArrayLike<number>, expected: ArrayLike<number>, share = 1e-5): void {
  expect(received.length).toBe(expected.length);
  const largest = Math.max(...Array.from(expected, Math.abs));
  const worst = Math.max(...Array.from(expected, (value, index) => Math.abs(value - received[index]!)));
  expect(worst / largest).toBeLessThanOrEqual(share);
}

const inputsOf = (family: AnyBackbone): readonly never[] => tinySamples(family).items.map(({ input }) => input as never);
const scoresOf = (predictions: readonly { scores: Record<string, number> }[]): number[] =>
  predictions.flatMap(({ scores }) => Object.values(scores));

/** A model as it stands, loaded again with another engine. */
async function copyOn(model: AnyModel, engine: 'eager' | 'onnx', family: AnyBackbone): Promise<AnyModel> {
  const files = await savedFiles(model, 'copy');
  return await loadModel(sharedSource({ files, backend: 'wasm', engine }), { engine, backbones: [family] });
}

async function expectAgreement(onnx: AnyModel, eager: AnyModel, inputs: readonly never[]): Promise<void> {
  expect([onnx.base.engine.name, eager.base.engine.name]).toEqual(['onnx', 'eager']);
  const [first, second] = [await onnx.predict(inputs), await eager.predict(inputs)] as [any[], any[]];
  expectClose(scoresOf(first), scoresOf(second));
  expect(first.map(({ label }) => label)).toEqual(second.map(({ label }) => label));
  const [one, other] = [await onnx.embed(inputs), await eager.embed(inputs)];
  expect(one.shape).toEqual(other.shape);
  expectClose(one.values, other.values);
  expect(onnx.base.parts.engine.notes).toEqual([]); // all was compiled
}

withOnnxRuntime.each(families.map((family) => [family.name, family as AnyBackbone] as const))('%s', (_name, family) => {
  test('both engines predict, embed and judge alike, before and after training', async () => {
    await runtime.chooseBackend();
    await expectNoLeaks(async () => {
      const data = tinySamples(family);
      using model = await tinyModel(family, runtime, { engine: 'onnx' });
      using before = await copyOn(model, 'eager', family);
      await expectAgreement(model, before, inputsOf(family));
      await fineTune(model, data as never, {
        unfreeze: family.attach === undefined ? 'all' : 'none', // a graph of somebody else cannot learn
        epochs: 2,
        batchSize: 4,
        learningRate: 0.01,
        validation: 0,
        progress: false,
      });
      using after = await copyOn(model, 'eager', family);
      await expectAgreement(model, after, inputsOf(family));
      expect(scoresOf((await model.predict(inputsOf(family))) as any)).not.toEqual(
        scoresOf((await before.predict(inputsOf(family))) as any),
      );
      const [one, other] = [await evaluate(model, data as never), await evaluate(after, data as never)];
      expect(Object.keys(one.metrics)).toContain('loss');
      expect(one.metrics).toEqual(
        Object.fromEntries(Object.keys(one.metrics).map((name) => [name, expect.closeTo(other.metrics[name]!, 4)])),
      );
    });
  }, 120_000);

  test('each example gets the same numbers alone and among others', async () => {
    using model = await tinyModel(family, runtime, { engine: 'onnx' });
    const together = (await model.predict(inputsOf(family))) as any[];
    for (const [index, input] of inputsOf(family).entries())
      expectClose(scoresOf([(await model.predict(input)) as any]), scoresOf([together[index]]), 1e-6);
  });
});

/** A layer that looks at numbers, which no graph can hold. */
class Looking extends layers.Layer {
  static className = 'Looking';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return tf.add(x, Number.isFinite(x.dataSync()[0]) ? 0 : 1);
  }
}

withOnnxRuntime('a family that a graph cannot hold', () => {
  test('is computed by tfjs, and the base says so once', async () => {
    const family = families.find(({ name }) => name === 'mobilenet-v2')! as AnyBackbone;
    const looking: AnyBackbone = {
      ...family,
      name: 'looking',
      build: (config) => {
        const built = family.build(config);
        const pooled = new Looking({ name: 'looking' }).apply(built.features.pooled) as SymbolicTensor;
        return { ...built, model: model({ inputs: built.model.inputs, outputs: pooled }), features: { ...built.features, pooled } };
      },
    };
    using onnx = await tinyBase(looking, runtime, 3, { engine: 'onnx' });
    using eager = await tinyBase(family, runtime, 3, { engine: 'eager' });
    const inputs = inputsOf(family);
    for (let run = 0; run < 2; run++) expect(await onnx.embed(inputs)).toEqual(await eager.embed(inputs));
    const told = onnx.describe().split('\n').slice(-2);
    expect(told[0]).toMatch(/^computed by onnxruntime-node/);
    expect(told[1]).toMatch(/^"looking" is computed by tfjs: a function that looks at the numbers/);
  });
});

withOnnxRuntime('engines', () => {
  const bert = families.find(({ name }) => name === 'bert')! as AnyBackbone;
  let onnx: AnyModel;
  let eager: AnyModel;
  beforeAll(async () => {
    onnx = await tinyModel(bert, runtime, { engine: 'onnx' });
    eager = await tinyModel(bert, runtime, { engine: 'eager' });
  });
  afterAll(() => {
    onnx.dispose();
    eager.dispose();
  });

  test('work side by side', async () => {
    const inputs = inputsOf(bert);
    const results = await Promise.all([onnx, eager, onnx, eager].map((model) => model.predict(inputs)));
    expect(results[2]).toEqual(results[0]);
    expect(results[3]).toEqual(results[1]);
    expectClose(scoresOf(results[0] as any), scoresOf(results[1] as any));
  });

  test('follow an adapter that is put on, learns, is exchanged and merged', async () => {
    const inputs = inputsOf(bert);
    const data = tinySamples(bert);
    const plain = await onnx.embed(inputs);
    onnx.useAdapter(createAdapter(onnx.base, lora({ rank: 2 })));
    await fineTune(onnx, data as never, { epochs: 2, batchSize: 4, learningRate: 0.02, validation: 0, progress: false });
    using twin = await copyOn(onnx, 'eager', bert);
    await expectAgreement(onnx, twin, inputs);
    const adapted = await onnx.embed(inputs);
    expect(adapted.values).not.toEqual(plain.values);
    const adapter = onnx.adapter!;
    onnx.useAdapter(undefined);
    expect(await onnx.embed(inputs)).toEqual(plain);
    onnx.useAdapter(adapter);
    expect(await onnx.embed(inputs)).toEqual(adapted);
    onnx.mergeAdapter();
    expectClose((await onnx.embed(inputs)).values, adapted.values);
  });

  test('keep what they compute apart on disk', async () => {
    const [one, other] = [await storeIdentity(onnx, 2), await storeIdentity(eager, 2)];
    expect([one.about['engine'], other.about['engine']]).toEqual(['onnx', 'eager']);
    using twin = await copyOn(eager, 'onnx', bert);
    expect((await storeIdentity(twin, 2)).name).not.toBe(other.name);
    using same = await copyOn(eager, 'eager', bert);
    expect((await storeIdentity(same, 2)).name).toBe(other.name);
  });

  test('are the same in workers, which share the cores', async () => {
    const jobs = tinySamples(bert).items.map((item) => ({ item }));
    const workers = await createWorkerExtractor(eager, 2, 1);
    try {
      expect(await workers.extract(jobs)).toEqual(await createLocalExtractor(eager, 2).extract(jobs));
    } finally {
      await workers.close();
    }
    const { shareModel } = await import('../../src/workers/shared-model.js');
    using threaded = await tinyModel(bert, runtime, { engine: 'onnx', threads: 5 });
    const shared = await Promise.all([1, 2, 8].map((count) => shareModel(threaded, count)));
    expect(shared.map(({ engine, threads }) => [engine, threads])).toEqual([
      ['onnx', 5],
      ['onnx', 2],
      ['onnx', 1],
    ]);
    expect((await shareModel(eager, 2)).threads).toBeUndefined();
  });
});

describe('memory', () => {
  test('stays as it is over many predictions', async () => {
    const family = families.find(({ name }) => name === 'mobilenet-v2')! as AnyBackbone;
    using model = await tinyModel(family, runtime);
    await model.predict(inputsOf(family));
    const before = tf.memory();
    for (let run = 0; run < 50; run++) await model.predict(inputsOf(family)[run % 8]!);
    expect([tf.memory().numTensors, tf.memory().numBytes]).toEqual([before.numTensors, before.numBytes]);
  });
});
