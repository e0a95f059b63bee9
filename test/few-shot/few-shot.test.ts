import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { addHead, classification, fewShot, loadModel, runtime, type Dataset, type FewShotPlan, type ImageInput } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { expectFailure, expectNoLeaks, tinyBase, tinySamples } from 'transferkit/testing';
import type { Base } from '../../src/base.js';
import { contrastive } from '../../src/few-shot/contrastive-head.js';

await runtime.chooseBackend('wasm');

const textBase = async (): Promise<Base<'text'>> => (await tinyBase(bert, runtime)) as Base<'text'>;
const samples = tinySamples(bert) as unknown as Dataset<'text', string>;
const texts = samples.items.map(({ input }) => input as string);
const quick = { progress: false, learningRate: 1e-3, batchSize: 8 } as const;

/** Numbers of all weights of a base. */
const numbers = (base: Base): number[][] => [...base.weights().values()].map((weight) => [...weight.read().dataSync()]);

describe('fewShot', () => {
  test('tunes the base on pairs and fits a logistic regression behind it', async () => {
    await expectNoLeaks(async () => {
      const base = await textBase();
      const before = numbers(base);
      const told: string[] = [];
      const { model, plan, history, head } = await fewShot(base, samples, {
        ...quick,
        epochs: 6,
        onPlan: () => told.push('plan'),
        onProgress: ({ stage }) => told.push(stage),
      });
      expect(told[0]).toBe('plan');
      expect(told).toContain('training');
      // 4 of each label: 20 alike, 16 different; 40 pairs an epoch
      expect(plan).toMatchObject({ examples: 8, classCounts: { even: 4, odd: 4 }, pairs: 40, epochs: 6, steps: 30, strength: 'plain' });
      const losses = history!.epochs.map(({ loss }) => loss);
      expect(losses.at(-1)!).toBeLessThan(losses[0]!);
      expect(head.strength).toBeGreaterThan(0);
      expect(head.iterations).toBeGreaterThan(0);
      const changed = numbers(base).map((values, index) => values.some((value, place) => value !== before[index]![place]));
      expect(changed.filter(Boolean).length).toBeGreaterThan(changed.length / 2);
      const predictions = await model.predict(texts);
      const right = predictions.filter(({ label }, index) => label === samples.items[index]!.target).length;
      expect(right).toBeGreaterThanOrEqual(7);
      expect(model.record.training).toMatchObject({ classCounts: { even: 4, odd: 4 } });
      expect(base.groups.some(({ learns }) => learns)).toBe(false);
      model.dispose();
    });
  });

  test('tells its plan in words', async () => {
    const base = await textBase();
    let plan: FewShotPlan | undefined;
    const { model } = await fewShot(base, samples, { ...quick, maxSteps: 3, strength: 'auto', onPlan: (early) => (plan = early) });
    expect(plan!.describe()).toMatch(/8 examples of 2 labels, 4 a label/);
    expect(plan!.describe()).toMatch(/24 pairs \(of 40: more steps than maxSteps are not made\), half of one label.*3 steps.*rate 0.001/);
    expect(plan!.describe()).toMatch(/logistic regression on the features, its penalty chosen by cross-validation/);
    model.dispose();
  });

  test('leaves the base alone where no steps are allowed', async () => {
    const base = await textBase();
    const before = numbers(base);
    const { model, plan, history } = await fewShot(base, samples, { ...quick, maxSteps: 0, strength: 0.5 });
    expect(history).toBeUndefined();
    expect(plan.describe()).toMatch(/the base stays as it is[^]*inverse penalty 0.5/);
    expect(numbers(base)).toEqual(before);
    model.dispose();
  });

  test('gives the same weights for the same seed', async () => {
    const runs = [];
    for (let round = 0; round < 2; round++) {
      const base = await textBase();
      const { model } = await fewShot(base, samples, { ...quick, maxSteps: 4, seed: 7 });
      runs.push([...numbers(base), ...model.headModel.getWeights().map((weight) => [...weight.dataSync()])]);
      model.dispose();
    }
    expect(runs[0]).toEqual(runs[1]);
  });

  test('takes photos, and a model that has a classifier already', async () => {
    const base = (await tinyBase(mobilenetV2, runtime)) as Base<'image'>;
    const model = addHead(base, classification(['odd', 'even', 'neither']));
    const photos = tinySamples(mobilenetV2) as unknown as Dataset<'image', 'odd' | 'even'>;
    const result = await fewShot(model, photos as never, { ...quick, maxSteps: 2 });
    expect(result.model).toBe(model);
    const { scores } = await model.predict(photos.items[0]!.input as ImageInput);
    expect(scores.neither).toBeLessThan(1e-6);
    model.dispose();
  });

  test('gives a model that can be saved and loaded', async () => {
    const { mkdtemp, rm } = await import('node:fs/promises');
    const folder = await mkdtemp('few-shot-');
    try {
      const { model } = await fewShot(await textBase(), samples, { ...quick, maxSteps: 2 });
      const text = texts[0]!;
      const expected = await model.predict(text);
      await model.save(`${folder}/model`);
      model.dispose();
      const again = await loadModel(`${folder}/model`, { families: [bert] } as never);
      const { label, confidence } = (await again.predict(text as never)) as unknown as { label: string; confidence: number };
      expect(label).toBe(expected.label);
      expect(confidence).toBeCloseTo(expected.confidence, 5);
      again.dispose();
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  test('aborted before the first step leaves a given base as it was, without a head', async () => {
    const base = await textBase();
    const before = numbers(base);
    const tensors = tf.memory().numTensors;
    await expectFailure(() => fewShot(base, samples, { ...quick, signal: AbortSignal.abort() }), 'aborted');
    expect(tf.memory().numTensors).toBe(tensors);
    expect(base.isDisposed).toBe(false);
    expect(numbers(base)).toEqual(before);
    base.dispose();
  });

  test('refuses what makes no sense', async () => {
    const base = await textBase();
    const tensors = tf.memory().numTensors;
    const one = examples([{ text: 'a', label: 'only' }]);
    await expectFailure(() => fewShot(base, one, quick), 'bad-data', 'at least 2 labels', '"only" alone');
    const rated = examples([{ text: 'a', target: 3 }]);
    await expectFailure(() => fewShot(base, rated as never, quick), 'bad-data', 'are no labels', 'Received: 3', 'with addHead');
    await expectFailure(() => fewShot(base, samples, { epochz: 3 } as never), 'unknown-name', 'option of fewShot "epochz"', 'epochs');
    for (const wrong of [{ epochs: 0 }, { batchSize: 1 }, { iterations: 1.5 }, { maxSteps: -1 }, { seed: 0.5 }])
      await expectFailure(() => fewShot(base, samples, wrong), 'bad-option', `${Object.keys(wrong)[0]} of fewShot must be a whole number`);
    await expectFailure(
      () => fewShot(base, samples, { learningRate: 0 }),
      'bad-option',
      'learningRate of fewShot must be a positive number',
    );
    await expectFailure(
      () => fewShot(base, samples, { strength: 0 }),
      'bad-option',
      "strength of fewShot must be a positive number or 'auto'",
    );
    await expectFailure(() => fewShot(base, tinySamples(mobilenetV2) as never, quick), 'bad-data', 'takes texts');
    expect(tf.memory().numTensors).toBe(tensors);
    const pairs = addHead(base, contrastive());
    await expectFailure(() => fewShot(pairs as never, samples as never, quick), 'unsupported', 'the head "contrastive" cannot be fitted');
    pairs.dispose();
  });
});
