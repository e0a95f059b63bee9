import * as tf from '@tensorflow/tfjs-core';
import { readFileSync } from 'node:fs';
import sharp from 'sharp';
import { describe, expect, test } from 'vitest';
import { addHead, classification, freezeBase, runtime, type Model } from 'transferkit';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { expectFailure, expectNoLeaks, tinyBase } from 'transferkit/testing';
import { lora } from '../../src/adapters/lora.js';
import { findLearningRate, type FindLearningRateOptions } from '../../src/find-learning-rate.js';
import { learningRatePlot, showRate } from '../../src/training/learning-rate-plot.js';
import { SmoothedLoss, suggestRates, type RateCurve } from '../../src/training/learning-rate-suggestions.js';
import { optimizerNames } from '../../src/training/optimizer-recipe.js';

await runtime.chooseBackend('wasm');

interface Golden extends RateCurve {
  readonly name: string;
  readonly steps: number;
  readonly valley: number;
  readonly steepest: number;
  readonly minimum: number;
}

const { cases } = JSON.parse(readFileSync(new URL('../golden/training/learning-rates.json', import.meta.url), 'utf8')) as {
  cases: readonly Golden[];
};

describe('what a curve speaks for', () => {
  test.each(cases)('$name: smoothed and read as fastai does', (golden) => {
    const average = new SmoothedLoss();
    golden.losses.forEach((loss, index) => expect(average.add(loss)).toBeCloseTo(golden.smoothed[index]!, 10));
    const { valley, steepest, minimum } = golden;
    expect(suggestRates(golden, golden.steps)).toEqual({ valley, steepest, minimum });
  });

  test('a curve that ended at once is taken whole', () => {
    const curve = { rates: [1e-3, 1e-2, 1e-1], losses: [3, 2, 9], smoothed: [3, 2, 9] };
    const { valley, steepest, minimum } = suggestRates(curve, 100);
    expect([valley, steepest]).toEqual([1e-3, 1e-3]);
    expect(minimum).toBeCloseTo(1e-3, 12);
  });
});

describe('the plot', () => {
  test.each(cases)('$name: names each suggestion, and is drawn', async (golden) => {
    const svg = learningRatePlot(golden, golden);
    for (const name of ['valley', 'steepest', 'minimum'] as const) expect(svg).toContain(`${name} ${showRate(golden[name])}`);
    expect(svg).toContain('learning rate</text>');
    expect(svg).toContain('10⁻⁵');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
    const { width, height, format } = await sharp(Buffer.from(svg)).metadata();
    expect({ width, height, format }).toEqual({ width: 720, height: 440, format: 'svg' });
  });

  test('a flat curve and one of two points are drawn too', () => {
    for (const losses of [
      [0.7, 0.7, 0.7],
      [1, 2],
    ]) {
      const rates = losses.map((_, place) => 10 ** -place);
      const curve = { rates: rates.reverse(), losses, smoothed: losses };
      expect(learningRatePlot(curve, suggestRates(curve, 100))).not.toMatch(/NaN|undefined|Infinity/);
    }
  });
});

/** Pictures whose colour tells the class. */
function colours(count: number) {
  const names = ['red', 'green', 'blue'] as const;
  return examples(
    Array.from({ length: count }, (_, index) => {
      const channel = index % 3;
      const data = Uint8Array.from(
        { length: 24 * 24 * 3 },
        (_unused, place) => (place % 3 === channel ? 150 : 60) + ((index * 31 + place * 7) % 60),
      );
      return { image: { width: 24, height: 24, data }, label: names[channel]! };
    }),
  );
}

const colourModel = async () => addHead(await tinyBase(mobilenetV2, runtime), classification(['red', 'green', 'blue']), { seed: 3 });

/** Every number of a model. */
const numbers = (model: Pick<Model, 'base' | 'headModel'>): number[][] =>
  [...model.base.parts.built.model.weights, ...model.headModel.weights].map((weight) => [...weight.read().dataSync()]);

const quick: FindLearningRateOptions = { steps: 12, from: 1e-4, to: 1, batchSize: 8, cache: false };

describe('findLearningRate', () => {
  test('gives a curve over the whole span, suggestions, words and a picture', async () => {
    const model = await colourModel();
    const done: number[] = [];
    const found = await findLearningRate(model, colours(30), {
      cache: false,
      steps: 40,
      from: 1e-6,
      to: 1e-2,
      batchSize: 8,
      onProgress: (event) => done.push(event.done / event.total),
    });
    expect(found.rates).toHaveLength(40);
    expect(found.rates[0]).toBeCloseTo(1e-6, 12);
    expect(found.rates[39]).toBeCloseTo(1e-2, 12);
    expect(found.rates[20]! / found.rates[19]!).toBeCloseTo(found.rates[2]! / found.rates[1]!, 8);
    expect([found.losses.length, found.smoothed.length, done.length]).toEqual([40, 40, 40]);
    expect(done.at(-1)).toBe(1);
    expect(found.losses.at(-1)).toBeLessThan(found.losses[0]!);
    expect(found.suggestions).toEqual(suggestRates(found, 40));
    expect(found.describe()).toMatch(/from 1\.0e-6 to 0\.01 in 40 steps, ran to its end\n {2}valley {4}\S+/);
    expect(found.toSvg()).toBe(learningRatePlot(found, found.suggestions));
    model.dispose();
  });

  test('ends when the loss has grown to four times its best', async () => {
    const model = await colourModel();
    const found = await findLearningRate(model, colours(30), { ...quick, steps: 100, from: 1e-3, to: 1e5, optimizer: 'sgd' });
    expect(found.rates.length).toBeLessThan(100);
    const best = Math.min(...found.smoothed);
    expect(found.smoothed.slice(0, -1).every((loss) => loss <= 4 * best || loss <= found.smoothed[0]!)).toBe(true);
    expect(found.describe()).toMatch(/ended at \S+, where the loss grew out of bounds/);
    model.dispose();
  });

  const settings: Readonly<Record<string, FindLearningRateOptions>> = {
    'the head alone': {},
    'the last groups': { unfreeze: { last: 2 } },
    'everything, with batch statistics': { unfreeze: 'all' },
    'an adapter': { adapter: lora({ rank: 2 }) },
  };

  test.each(Object.entries(settings))(
    '%s: every weight and the freeze state are back to the bit, and nothing leaks',
    async (name, more) => {
      const model = await colourModel();
      if (name.includes('batch')) freezeBase(model.base, { normalization: 'batch' });
      const before = numbers(model);
      const { freeze } = model.base;
      await findLearningRate(model, colours(20), { ...quick, ...more }); // what is made once is made here
      await expectNoLeaks(async () => {
        const { losses } = await findLearningRate(model, colours(20), { ...quick, ...more });
        expect(new Set(losses).size).toBeGreaterThan(1);
      });
      expect(numbers(model)).toEqual(before);
      expect(model.base.freeze).toBe(freeze);
      expect(model.base.busy).toBe(false);
      expect(model.adapter).toBeUndefined();
      expect(model.record).toEqual({});
      model.dispose();
    },
  );

  test('when it is aborted or a listener throws, the model is as it was', async () => {
    const model = await colourModel();
    const before = numbers(model);
    const controller = new AbortController();
    const onProgress = ({ done }: { done: number }): void => {
      if (done === 5) controller.abort(new Error('enough'));
    };
    const options = { ...quick, unfreeze: { last: 2 }, signal: controller.signal };
    const error = await expectFailure(() => findLearningRate(model, colours(20), { ...options, onProgress }), 'aborted', 'after 5 steps', 'the model is as it was'); // prettier-ignore
    expect(error.cause).toBe(controller.signal.reason);
    await expectFailure(() => findLearningRate(model, colours(20), options), 'aborted', 'the model is as it was');
    const throwing = (): void => {
      throw new RangeError('not now');
    };
    await expect(findLearningRate(model, colours(20), { ...quick, onProgress: throwing })).rejects.toThrow('not now');
    expect(numbers(model)).toEqual(before);
    expect(model.base.busy).toBe(false);
    model.dispose();
  });

  test('the same seed gives the same curve, another seed another', async () => {
    const model = await colourModel();
    const run = async (seed: number) => (await findLearningRate(model, colours(30), { ...quick, unfreeze: { last: 1 }, seed })).losses;
    const first = await run(1);
    expect(await run(1)).toEqual(first);
    expect(await run(2)).not.toEqual(first);
    model.dispose();
  });

  test.each(optimizerNames)('%s has a curve of its own', async (optimizer) => {
    const model = await colourModel();
    const { losses } = await findLearningRate(model, colours(20), { ...quick, optimizer });
    expect(losses.at(-1)).not.toBe(losses[0]);
    model.dispose();
  });

  test('a second one on the same model waits for nobody: it is refused', async () => {
    const model = await colourModel();
    const first = findLearningRate(model, colours(20), quick);
    await Promise.resolve();
    await expectFailure(() => findLearningRate(model, colours(20), quick), 'bad-option', 'being trained already');
    await first;
    model.dispose();
  });

  test('given a name, it loads the base, and frees it', async () => {
    const folder = new URL('../golden/mobilenet-v2/huggingface/checkpoint', import.meta.url).pathname;
    await findLearningRate(folder, colours(9), quick);
    await expectNoLeaks(async () => {
      const { rates } = await findLearningRate(folder, colours(9), { ...quick, progress: undefined } as never).catch(() => ({ rates: [] }));
      expect(rates).toEqual([]); // `progress` is no option of it
      expect((await findLearningRate(folder, colours(9), quick)).rates.length).toBeGreaterThan(1);
    });
  });
});

describe('what cannot be', () => {
  test.each([
    [{ step: 10 }, 'no option "step". Did you mean "steps"?'],
    [{ steps: 9 }, 'steps must be a whole number from 10 on.\n  Received: 9'],
    [{ batchSize: 0 }, 'batchSize must be a whole number from 1 on'],
    [{ from: 0 }, 'from must be above 0'],
    [{ to: Number.POSITIVE_INFINITY }, 'to must be above 0.\n  Received: Infinity'],
    [{ from: 1, to: 0.1 }, 'to must be above from (1).\n  Received: 0.1'],
    [{ seed: 0.5 }, 'seed must be a whole number'],
    [{ optimizer: 'adam' }, 'no optimiser "adam"'],
    [{ optimizer: { name: 'lion', beta1: 2 } }, 'optimizer.beta1 of lion'],
  ])('%j is refused', async (options, message) => {
    const model = await colourModel();
    await expectFailure(() => findLearningRate(model, colours(9), options as FindLearningRateOptions), 'bad-option', message);
    model.dispose();
  });

  test('labels that the model does not know, a disposed model', async () => {
    const model = await colourModel();
    const other = examples([{ image: { width: 1, height: 1, data: new Uint8Array(3) }, label: 'mauve' }]);
    await expectFailure(() => findLearningRate(model, other as never), 'bad-data', 'labels that the model does not know: "mauve"');
    model.dispose();
    await expectFailure(() => findLearningRate(model, colours(9)), 'disposed', 'this model was disposed');
  });

  test('a head without weights on a frozen base', async () => {
    const head = { ...classification(['red', 'green', 'blue']), adapt: undefined };
    const model = addHead(await tinyBase(mobilenetV2, runtime), head as never, { seed: 3 });
    for (const layer of (model as Model).headModel.layers) layer.trainable = false;
    await expectFailure(() => findLearningRate(model as Model, colours(9) as never, quick), 'nothing-to-train', 'Fix: pass unfreeze');
    model.dispose();
  });

  test('a loss that is no number from the start', async () => {
    const head = classification(['red', 'green', 'blue']);
    const loss: typeof head.loss = (...given) => tf.mul(head.loss(...given), Number.NaN);
    const broken = { ...head, loss };
    const model = addHead(await tinyBase(mobilenetV2, runtime), broken, { seed: 3 });
    const before = numbers(model as never);
    await expectFailure(() => findLearningRate(model, colours(16), quick), 'diverged', 'after 0 steps', 'lower `from`');
    expect(numbers(model as never)).toEqual(before);
    model.dispose();
  });
});
