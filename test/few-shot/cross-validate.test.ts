import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { addHead, classification, crossValidate, runtime, type FoldEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { expectFailure, expectNoLeaks, tinyBase, tinySamples } from 'transferkit/testing';
import type { Base } from '../../src/base.js';
import { similarity } from '../../examples/plugins/similarity-head.js';

await runtime.chooseBackend('wasm');

/** Pictures whose colour tells the class. */
function colours(perClass: readonly number[]) {
  const names = ['red', 'green', 'blue'] as const;
  return examples(
    perClass.flatMap((count, channel) =>
      Array.from({ length: count }, (_, index) => {
        const data = Uint8Array.from(
          { length: 24 * 24 * 3 },
          (_unused, place) => (place % 3 === channel ? 150 : 60) + ((index * 31 + place * 7) % 60),
        );
        return { id: `${channel}-${index}`, image: { width: 24, height: 24, data }, label: names[channel]! };
      }),
    ),
  );
}

const imageBase = async (): Promise<Base<'image'>> => (await tinyBase(mobilenetV2, runtime)) as Base<'image'>;
const numbers = (base: Base): number[][] => [...base.weights().values()].map((weight) => [...weight.read().dataSync()]);

describe('crossValidate', () => {
  test('judges every example once, by a model that never saw it', async () => {
    const base = await imageBase();
    const events: FoldEvent[] = [];
    const verdict = await crossValidate(base, colours([10, 10, 10]), {
      strategy: 'linearProbe',
      folds: 5,
      onFold: (event) => events.push(event),
    });
    expect(verdict.folds).toHaveLength(5);
    expect(verdict.folds.map(({ fold, count }) => [fold, count])).toEqual([1, 2, 3, 4, 5].map((fold) => [fold, 6]));
    expect(events.map(({ done, total }) => [done, total])).toEqual([1, 2, 3, 4, 5].map((done) => [done, 5]));
    expect(verdict.pooled.count).toBe(30);
    const accuracies = verdict.folds.map((fold) => fold['accuracy']!);
    expect(verdict.mean['accuracy']).toBeCloseTo(accuracies.reduce((sum, value) => sum + value, 0) / 5, 10);
    expect(verdict.pooled.accuracy).toBeCloseTo(verdict.mean['accuracy']!, 10);
    expect(verdict.mean['accuracy']).toBeGreaterThan(0.8);
    expect(verdict.interval!.accuracy.low).toBeLessThanOrEqual(verdict.pooled.accuracy);
    expect(verdict.interval!.accuracy.high).toBeGreaterThanOrEqual(verdict.pooled.accuracy);
    expect(verdict.interval).toMatchObject({ level: 0.95 });
    expect(verdict.describe()).toMatch(/5-fold cross-validation: 30 examples[^]*fold +examples +loss +accuracy[^]*mean[^]*95 % interval/);
    expect(base.isDisposed).toBe(false);
    base.dispose();
  });

  test('gives under a frozen base what it gives with features computed in each fold', async () => {
    const base = await imageBase();
    const data = colours([6, 6, 6]);
    const once = await crossValidate(base, data, { epochs: 3, folds: 3, strategy: 'head' });
    // A head that looks at inputs needs them: the base runs in each fold.
    const head = classification(['blue', 'green', 'red']);
    const reading = { ...head, encode: (target: 'red', _inputs: unknown) => head.encode(target, []) };
    const model = addHead(base, reading as typeof head);
    const each = await crossValidate(model, data, { epochs: 3, folds: 3, strategy: 'head' });
    expect(once.pooled.accuracy).toBe(each.pooled.accuracy);
    once.folds.forEach((fold, index) => expect(fold['loss']).toBeCloseTo(each.folds[index]!['loss']!, 4));
    model.dispose();
  });

  test('runs the frozen base once for each example', async () => {
    const base = await imageBase();
    let encoded = 0;
    const { processor } = base.parts;
    const counting = {
      ...processor,
      encode: (raw: unknown, view?: never) => {
        encoded++;
        return processor.encode(raw, view);
      },
    };
    Object.assign(base.parts, { processor: counting });
    await crossValidate(base, colours([4, 4, 4]), { epochs: 1, folds: 4, repeats: 2 });
    expect(encoded).toBe(12);
    base.dispose();
  });

  test('starts each fold from the same weights, and leaves a base that learnt as it was', async () => {
    const base = await imageBase();
    const before = numbers(base);
    const { freeze } = base;
    const options = { unfreeze: { last: 1 }, epochs: 1, headEpochs: 1, folds: 2, learningRate: 0.01 } as const;
    const first = await crossValidate(base, colours([4, 4, 4]), options);
    expect(numbers(base)).toEqual(before);
    expect(base.freeze).toBe(freeze);
    const second = await crossValidate(base, colours([4, 4, 4]), options);
    expect(second.folds).toEqual(first.folds);
    base.dispose();
  });

  test('leaves a model and its head alone, and keeps nothing', async () => {
    const base = await imageBase();
    const model = addHead(base, classification(['red', 'green', 'blue']));
    const weights = model.headModel.getWeights().map((weight) => [...weight.dataSync()]);
    await expectNoLeaks(() => crossValidate(model, colours([3, 3, 3]), { epochs: 1, folds: 3 }));
    await expectNoLeaks(() => crossValidate(model, colours([3, 3, 3]), { epochs: 1, headEpochs: 1, folds: 2, unfreeze: { last: 1 } }));
    expect(model.headModel.getWeights().map((weight) => [...weight.dataSync()])).toEqual(weights);
    expect(model.record).toEqual({});
    model.dispose();
  });

  test('repeats with other folds, and does not count examples twice', async () => {
    const base = await imageBase();
    const verdict = await crossValidate(base, colours([4, 4, 4]), { epochs: 2, folds: 2, repeats: 3 });
    expect(verdict.folds.map(({ repeat, fold }) => `${repeat}.${fold}`)).toEqual(['1.1', '1.2', '2.1', '2.2', '3.1', '3.2']);
    expect(verdict.pooled.count).toBe(36);
    expect(verdict.describe()).toMatch(/2-fold cross-validation, 3 times: 12 examples/);
    base.dispose();
  });

  test('makes no more folds than the rarest label has examples', async () => {
    const base = await imageBase();
    const { folds } = await crossValidate(base, colours([8, 3, 5]), { epochs: 1 });
    expect(folds).toHaveLength(3);
    const alone = colours([4, 1, 4]);
    await expectFailure(() => crossValidate(base, alone, { epochs: 1 }), 'bad-data', 'at least 2 examples of each label', '1 of "green"');
    base.dispose();
  });

  test('works for heads that compare pairs', async () => {
    const base = (await tinyBase(bert, runtime)) as Base<'text'>;
    const texts = tinySamples(bert).items.map(({ input }) => String(input));
    const pairs = examples(
      texts.map((text, index) => ({ input: [text, texts[(index + 1) % texts.length]!] as [string, string], target: (index % 3) / 2 })),
      { modality: 'text' },
    );
    const model = addHead(base, similarity());
    const verdict = await crossValidate(model, pairs as never, { epochs: 1, folds: 4 });
    expect(verdict.folds).toHaveLength(4);
    expect(verdict.pooled.count).toBe(8);
    expect(verdict.interval).toBeUndefined();
    expect(verdict.describe()).not.toMatch(/interval/);
    model.dispose();
  });

  test('can be aborted, before and between folds', async () => {
    const base = await imageBase();
    const before = numbers(base);
    const tensors = tf.memory().numTensors;
    const data = colours([4, 4, 4]);
    await expectFailure(() => crossValidate(base, data, { epochs: 1, signal: AbortSignal.abort() }), 'aborted');
    const controller = new AbortController();
    const run = crossValidate(base, data, {
      epochs: 1,
      headEpochs: 1,
      unfreeze: { last: 1 },
      signal: controller.signal,
      onFold: () => controller.abort(),
    });
    await expectFailure(() => run, 'aborted');
    expect(tf.memory().numTensors).toBe(tensors);
    expect(numbers(base)).toEqual(before);
    base.dispose();
  });

  test('refuses what makes no sense', async () => {
    const base = await imageBase();
    const data = colours([4, 4, 4]);
    await expectFailure(
      () => crossValidate(base, data, { folds: 1 }),
      'bad-option',
      'folds of crossValidate must be a whole number from 2 on',
    );
    await expectFailure(() => crossValidate(base, data, { repeats: 0 }), 'bad-option', 'repeats of crossValidate');
    await expectFailure(() => crossValidate(base, data, { checkpoint: {} } as never), 'bad-option', '"checkpoint" belongs to a single run');
    await expectFailure(() => crossValidate(base, data, { epochz: 1 } as never), 'unknown-name', 'epochz');
    const twins = examples(
      [0, 1, 2, 3].map((index) => ({ id: 'twin', image: data.items[index]!.input as never, label: index % 2 ? 'a' : 'b' })),
    );
    await expectFailure(() => crossValidate(base, twins, { epochs: 1 }), 'bad-data', 'has "twin" more than once');
    base.dispose();
  });
});
