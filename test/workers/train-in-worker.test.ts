import { describe, expect, test } from 'vitest';
import * as tf from '@tensorflow/tfjs-core';
import { fineTune, freezeBase, lora, TrainingControl, type FineTuneOptions, type TrainingEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { createDataset } from 'transferkit/data';
import { runtime } from 'transferkit/node';
import { expectFailure, tinyModel, tinySamples } from 'transferkit/testing';
import type { AnyModel } from '../../src/training/weight-set.js';

const weightsOf = (model: AnyModel): Record<string, number[]> =>
  Object.fromEntries([...model.weights()].map(([name, weight]) => [name, [...weight.read().dataSync()]]));

/** A history without the times that its run took. */
const untimed = (history: any): unknown =>
  JSON.parse(JSON.stringify(history, (name, value: unknown) => (name === 'seconds' ? undefined : value)));

const small: FineTuneOptions = { epochs: 2, headEpochs: 1, batchSize: 4, validation: 0.25, progress: false, cache: false };

const cases: [string, any, FineTuneOptions][] = [
  ['the head of mobilenet-v2', mobilenetV2, small],
  ['the last group of mobilenet-v2', mobilenetV2, { ...small, unfreeze: { last: 1 } }],
  ['all of mobilenet-v2 with batch statistics', mobilenetV2, { ...small, unfreeze: 'all', normalization: 'batch', learningRate: 0.01 }],
  ['groups of bert that a function chooses', bert, { ...small, unfreeze: ({ index }) => index === 1 }],
  ['bert with an adapter', bert, { ...small, adapter: lora({ rank: 2 }), learningRate: 0.01 }],
];

test.each(cases)('training %s in a worker gives the weights and the history of this thread, bit by bit', async (_name, family, options) => {
  using here = await tinyModel(family, runtime);
  using there = await tinyModel(family, runtime);
  const expected = await fineTune(here, tinySamples(family) as never, options);
  const tensors = tf.memory().numTensors;
  const trained = await fineTune(there, tinySamples(family) as never, { ...options, worker: true });
  expect(tf.memory().numTensors - tensors).toBe((there.adapter?.weights().length ?? 0) * 1);
  expect(weightsOf(there)).toEqual(weightsOf(here));
  expect(untimed(trained.history)).toEqual(untimed(expected.history));
  expect(trained.plan.describe()).toBe(expected.plan.describe());
  expect(JSON.stringify(trained.plan)).toBe(JSON.stringify(expected.plan));
  expect(there.base.freeze).toEqual(here.base.freeze);
  expect(untimed(there.record)).toEqual(untimed(here.record));
  const inputs = tinySamples(family).items.map((item) => item.input) as never;
  expect(await there.predict(inputs)).toEqual(await here.predict(inputs));
});

test('what stood before holds: a freeze state, targets of a held-out set, a second training', async () => {
  const run = async (worker: boolean): Promise<unknown> => {
    using model = await tinyModel(mobilenetV2, runtime);
    freezeBase(model.base, { unfreeze: { last: 1 } });
    const data = tinySamples(mobilenetV2) as any;
    const options = { ...small, validation: data.take(4), worker };
    const first = await fineTune(model, data, options);
    const second = await fineTune(model, data, { ...options, unfreeze: 'none' });
    return [untimed(first.history), untimed(second.history), weightsOf(model)];
  };
  expect(await run(true)).toEqual(await run(false));
});

describe('while it runs', () => {
  test('events come here, the model predicts as before, and nobody else may train it', async () => {
    using model = await tinyModel(mobilenetV2, runtime);
    const data = tinySamples(mobilenetV2) as any;
    const input = data.items[0].input;
    const before = await model.predict(input);
    const events: TrainingEvent[] = [];
    const steps: number[] = [];
    const plans: string[] = [];
    const training = fineTune(model, data, {
      ...small,
      epochs: 20,
      earlyStopping: false,
      worker: true,
      onEvent: (event) => events.push(event),
      onPlan: (plan) => plans.push(plan.describe()),
      onProgress: ({ stage, done }) => stage === 'training' && steps.push(done),
    });
    await expectFailure(() => fineTune(model, data, small), 'bad-option', 'is being trained already');
    await expectFailure(() => fineTune(model, data, { ...small, worker: true }), 'bad-option', 'is being trained already');
    expect(() => model.dispose()).toThrow(/is being trained/);
    while (steps.length < 3) {
      expect(await model.predict(input)).toEqual(before);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const { history, plan } = await training;
    expect(plans).toEqual([plan.describe()]);
    expect(steps).toEqual(steps.map((_, index) => index + 1));
    expect(events.map(({ type }) => type)).toEqual(expect.arrayContaining(['plan', 'features', 'step', 'epoch', 'end']));
    expect((events.at(-1) as any).history).toEqual(history);
    expect(await model.predict(input)).not.toEqual(before);
  });

  test('a signal ends it with the best weights so far', async () => {
    using model = await tinyModel(mobilenetV2, runtime);
    const before = weightsOf(model);
    const controller = new AbortController();
    const { history } = await fineTune(model, tinySamples(mobilenetV2) as never, {
      ...small,
      epochs: 100_000,
      earlyStopping: false,
      signal: controller.signal,
      worker: true,
      onEvent: (event) => event.type === 'epoch' && event.record.epoch === 2 && controller.abort(),
    });
    expect(history.ended).toBe('aborted');
    expect(history.epochs.length).toBeGreaterThanOrEqual(2);
    expect(weightsOf(model)).not.toEqual(before);
  });

  test('a control pauses and resumes it', async () => {
    using model = await tinyModel(mobilenetV2, runtime);
    const control = new TrainingControl();
    const types: string[] = [];
    await fineTune(model, tinySamples(mobilenetV2) as never, {
      ...small,
      epochs: 400,
      earlyStopping: false,
      control,
      worker: true,
      onEvent: ({ type }) => {
        types.push(type);
        if (type === 'step' && !types.includes('paused')) control.pause();
        if (type === 'paused') setTimeout(() => control.resume(), 50);
      },
    });
    expect(types.indexOf('resumed')).toBe(types.indexOf('paused') + 1);
  });
});

describe('the model is as it was', () => {
  const fails = async (options: FineTuneOptions, code: string, words: string, data: any = tinySamples(mobilenetV2)): Promise<void> => {
    using model = await tinyModel(mobilenetV2, runtime);
    const before = weightsOf(model);
    const { freeze } = model.base;
    await expectFailure(() => fineTune(model, data, { ...small, ...options, worker: true }), code as never, words);
    expect(weightsOf(model)).toEqual(before);
    expect(model.base.freeze).toEqual(freeze);
    expect(model.base.busy).toBe(false);
  };

  test('when it was aborted before the first step', () => fails({ signal: AbortSignal.abort() }, 'aborted', 'nothing was trained'));
  test('after an option that does not exist', () => fails({ epoch: 3 } as never, 'unknown-name', 'epoch'));
  test('after an option that cannot be sent', () =>
    fails(
      { classWeights: { even: () => 1 } } as never,
      'bad-option',
      'the options of fineTune, member "classWeights", member "even" cannot be sent',
    ));
  test('after a bad example', () =>
    fails(
      { validation: 0 },
      'not-found',
      'no-such.jpg',
      createDataset({
        modality: 'image',
        origin: 'by hand',
        items: ['even', 'odd'].map((target) => ({ id: target, input: 'no-such.jpg', target })),
      }),
    ));
  test('when the loss diverges', () => fails({ learningRate: 1e30, gradientClip: 0 }, 'diverged', 'learning rate'));

  test('when a listener throws', async () => {
    using model = await tinyModel(mobilenetV2, runtime);
    const before = weightsOf(model);
    const onPlan = (): never => {
      throw new Error('no such plan');
    };
    await expect(fineTune(model, tinySamples(mobilenetV2) as never, { ...small, onPlan, worker: true })).rejects.toThrow('no such plan');
    expect(weightsOf(model)).toEqual(before);
    expect(model.base.busy).toBe(false);
  });
});
