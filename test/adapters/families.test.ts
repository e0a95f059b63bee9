/** Adapters on every family that has something to adapt. */
import * as tf from '@tensorflow/tfjs-core';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { addHead } from '../../src/add-head.js';
import { createAdapter } from '../../src/adapters/create-adapter.js';
import { lora } from '../../src/adapters/lora.js';
import { backbones, findBackbone } from '../../src/backbones/index.js';
import { fineTune } from '../../src/fine-tune.js';
import { classification } from '../../src/heads/classification.js';
import { collateInputs } from '../../src/inference/run-examples.js';
import { runGraph } from '../../src/layers/run-graph.js';
import { loadAdapter } from '../../src/load-adapter.js';
import { loadModel } from '../../src/load-model.js';
import { loadPretrained } from '../../src/load-pretrained.js';
import { runtime } from '../../src/runtimes/node.js';
import { expectFailure, expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinyModel, tinySamples } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { randomize } from './random-adapter.js';

const shelf = mkdtempSync(join(tmpdir(), 'transferkit-adapters-'));
beforeAll(() => runtime.chooseBackend('wasm'));
afterAll(() => rmSync(shelf, { recursive: true, force: true }));

const families = await Promise.all(backbones.map(({ name }) => findBackbone(name)));
/** A table of vectors has nothing that multiplies, and what is attached as a graph has no layers. */
const adaptable = families.filter(({ name, attach }) => name !== 'static-embedding' && attach === undefined);

const inputsOf = (model: AnyModel) => tinySamples(model.base.parts.family).items.map(({ input }) => input);

/** Raw scores rather than probabilities, so that small differences show. */
async function featuresOf(model: AnyModel): Promise<Float32Array> {
  return (await model.embed(inputsOf(model) as never)).values;
}

const largest = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, value, index) => Math.max(most, Math.abs(value - b[index]!)), 0);

const bitsOf = (model: AnyModel) =>
  [...model.base.weights()].map(([name, weight]) => [name, Buffer.from(weight.read().dataSync().slice().buffer).toString('base64')]);

/** LoRA and DoRA on every layer. */
const kinds = [false, true].map((dora) => ({ kind: dora ? 'DoRA' : 'LoRA', recipe: lora({ rank: 2, dora }) }));

describe.each(adaptable.map((family) => ({ name: family.name, family })))('$name', ({ family }) => {
  describe.each(kinds)('$kind', ({ recipe }) => {
    test('at its start changes nothing', async () => {
      const model = await tinyModel(family, runtime);
      const before = await featuresOf(model);
      model.useAdapter(createAdapter(model.base, recipe));
      expect(largest(before, await featuresOf(model))).toBeLessThan(1e-5);
      model.dispose();
    });

    test('changes features and predictions, and not a bit of the base; merged it gives the same', async () => {
      await expectNoLeaks(async () => {
        const model = await tinyModel(family, runtime);
        const [plain, bits] = [await featuresOf(model), bitsOf(model)];
        const adapter = randomize(createAdapter(model.base, recipe));
        model.useAdapter(adapter);
        const adapted = await featuresOf(model);
        const predicted = await model.predict(inputsOf(model));
        expect(largest(plain, adapted)).toBeGreaterThan(1e-3);
        expect(bitsOf(model)).toEqual(bits);
        expect(await (model.base as any).embed(inputsOf(model)).then(({ values }: any) => largest(values, plain))).toBe(0);
        model.mergeAdapter();
        expect(model.adapter).toBeUndefined();
        expect(adapter.isDisposed).toBe(true);
        expect(largest(await featuresOf(model), adapted)).toBeLessThan(1e-5);
        const merged = await model.predict(inputsOf(model));
        predicted.forEach((one: any, index: number) => expect(merged[index].confidence).toBeCloseTo(one.confidence, 5));
        model.dispose();
      });
    });

    test('gradients reach every one of its weights, and it can be left out of the tape', async () => {
      const base = await tinyBase(family, runtime);
      const adapter = randomize(createAdapter(base, recipe));
      const encoded = await Promise.all(tinySamples(family).items.map(({ input }) => base.parts.processor.encode(input)));
      const inputs = collateInputs(encoded, base.parts.processor.padding);
      const feeds = new Map(base.parts.built.model.inputs.map((input, index) => [input, inputs[index]!]));
      const kernels = new Set(base.parts.built.model.weights.map((weight) => (weight.read() as unknown as { name: string }).name));
      const loss = (mode: 'inference' | 'training') => () => {
        const [pooled] = runGraph(feeds, [base.feature('pooled')], { training: () => false, random: () => 3, adapter: adapter[mode] });
        return tf.sum<tf.Scalar>(tf.square(pooled!));
      };
      const variables = adapter.weights().map(({ variable }) => variable);
      for (const mode of ['inference', 'training'] as const) {
        const before = tf.memory().numTensors;
        const { value, grads } = tf.variableGrads(loss(mode), variables);
        expect(Object.keys(grads).filter((name) => kernels.has(name))).toEqual([]);
        for (const { name, variable } of adapter.weights()) {
          const gradient = grads[variable.name]!;
          expect(gradient.shape, name).toEqual(variable.shape);
          expect(
            gradient.dataSync().some((number) => number !== 0),
            `${mode}: ${name}`,
          ).toBe(true);
          expect(gradient.dataSync().every(Number.isFinite), `${mode}: ${name}`).toBe(true);
        }
        tf.dispose([value, grads]);
        expect(tf.memory().numTensors).toBe(before);
      }
      tf.dispose([...feeds.values()]);
      adapter.dispose();
      base.dispose();
    });

    test('trained, every one of its weights has moved, and not a bit of the base', async () => {
      await expectNoLeaks(async () => {
        const model = await tinyModel(family, runtime);
        const bits = bitsOf(model);
        const start = createAdapter(model.base, recipe);
        const { plan } = await fineTune(model, tinySamples(family) as never, {
          adapter: recipe,
          headEpochs: 1,
          epochs: 2,
          batchSize: 4,
          learningRate: 0.02,
          validation: 0,
          progress: false,
        });
        expect(bitsOf(model)).toEqual(bits);
        const before = new Map(start.weights().map(({ name, variable }) => [name, [...variable.dataSync()]]));
        for (const { name, variable } of model.adapter!.weights()) expect([...variable.dataSync()], name).not.toEqual(before.get(name));
        expect(plan.describe()).toContain('adapter');
        start.dispose();
        model.dispose();
      });
    });

    test('is saved by itself and with the model, and comes back', async () => {
      await expectNoLeaks(async () => {
        const model = await tinyModel(family, runtime);
        model.useAdapter(randomize(createAdapter(model.base, recipe)));
        const place = join(shelf, `${family.name}-${recipe.dora ? 'dora' : 'lora'}`);
        const [features, predicted] = [await featuresOf(model), await model.predict(inputsOf(model))];
        const { peft } = await model.saveAdapter(`${place}-adapter`);
        expect(peft).toBe(family.name !== 'keras-graph');
        await model.saveAdapter(`${place}-adapter`); // an adapter is replaced
        await model.save(place);
        const { base, adapter } = model;

        const alone = await loadAdapter(base, `${place}-adapter`);
        expect(alone.describe()).toBe(adapter!.describe());
        alone.weights().forEach(({ name, variable }, index) => {
          expect(name).toBe(adapter!.weights()[index]!.name);
          expect(Array.from(variable.dataSync()), name).toEqual(Array.from(adapter!.weights()[index]!.variable.dataSync()));
        });
        alone.dispose();

        const beside = (await loadModel(`${place}-adapter`, { base })) as unknown as AnyModel;
        expect(beside.base).toBe(base);
        expect(await beside.predict(inputsOf(model))).toEqual(predicted);
        beside.dispose();
        expect(base.isDisposed).toBe(false);

        const whole = (await loadModel(place, { backbones: [family] })) as unknown as AnyModel;
        expect(whole.adapter!.recipe).toEqual(recipe);
        expect(largest(await featuresOf(whole), features)).toBe(0);
        expect(await whole.predict(inputsOf(model))).toEqual(predicted);
        whole.dispose();
        await expectFailure(() => loadPretrained(place), 'unsupported', 'mergeAdapter()', place);
        model.dispose();
      });
    });
  });

  test('two models with two adapters on one base give what each gives alone', async () => {
    await expectNoLeaks(async () => {
      const head = (model: AnyModel) => addHead(model.base, classification(['even', 'odd']), { seed: 9 }) as AnyModel;
      const first = await tinyModel(family, runtime);
      const inputs = inputsOf(first);
      const second = head(first);
      const adapters = [1, 2].map((seed) => randomize(createAdapter(first.base, lora({ rank: 2 }), seed), seed));
      const alone: unknown[] = [];
      for (const [index, model] of [first, second].entries()) {
        model.useAdapter(adapters[index]);
        alone.push(await model.predict(inputs));
        model.useAdapter(undefined);
      }
      first.useAdapter(adapters[0]);
      second.useAdapter(adapters[1]);
      const together = await Promise.all([first.predict(inputs), second.predict(inputs)]);
      expect(together).toEqual(alone);
      await expectFailure(() => first.mergeAdapter(), 'bad-option', '1 other model stands on it');
      first.dispose();
      expect(adapters.map(({ isDisposed }) => isDisposed)).toEqual([true, false]);
      second.dispose();
      expect(adapters[1]!.isDisposed).toBe(true);
    });
  });
});

test('a network without anything to adapt says so', async () => {
  const base = await tinyBase(await findBackbone('static-embedding'), runtime);
  await expectFailure(() => createAdapter(base, lora()), 'bad-option', 'static-embedding', 'nothing that could be adapted');
  base.dispose();
});
