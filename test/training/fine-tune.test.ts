import * as tf from '@tensorflow/tfjs-core';
import { describe, expect, test } from 'vitest';
import { addHead, classification, evaluate, fineTune, freezeBase, runtime, type EncodedInput, type ProgressEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { expectFailure, expectNoLeaks, tinyBase, tinyModel, tinySamples } from 'transferkit/testing';

await runtime.chooseBackend('wasm');

/** Pictures whose colour tells the class, many enough to hold some out. */
function colours(count: number, seed = 0) {
  const names = ['red', 'green', 'blue'] as const;
  return examples(
    Array.from({ length: count }, (_, index) => {
      const channel = index % 3;
      const data = Uint8Array.from(
        { length: 24 * 24 * 3 },
        (_unused, place) => (place % 3 === channel ? 150 : 60) + ((index * 31 + place * 7 + seed) % 60),
      );
      return { image: { width: 24, height: 24, data }, label: names[channel]! };
    }),
  );
}

const colourModel = async () => addHead(await tinyBase(mobilenetV2, runtime), classification(['red', 'green', 'blue']));

describe('the plan', () => {
  test('says in plain words what is done and why', async () => {
    const model = await colourModel();
    const { plan } = await fineTune(model, colours(500), { unfreeze: { last: 2 }, epochs: 1, headEpochs: 1, progress: false });
    expect(plan.examples).toEqual({ train: 450, validation: 50 });
    expect(plan.phases.map((phase) => phase.name)).toEqual(['head', 'fine-tune']);
    expect(plan.describe()).toMatch(/10 % held out/);
    expect(plan.describe()).toMatch(/frozen: this part runs once per example/);
    expect(plan.describe()).toMatch(/the head is trained first/);
    model.dispose();
  });

  test('is told before anything runs', async () => {
    const model = await colourModel();
    const seen: unknown[] = [];
    const { plan } = await fineTune(model, colours(12), {
      epochs: 1,
      progress: false,
      onPlan: (early) => seen.push(early),
      onProgress: ({ stage }) => seen.push(stage),
    });
    expect(seen[0]).toBe(plan);
    expect(seen).toContain('training');
    model.dispose();
  });

  test('a listener that throws stops the run, and the model can be trained afterwards', async () => {
    const model = await colourModel();
    const onPlan = (): void => {
      throw new RangeError('not that plan');
    };
    await expect(fineTune(model, colours(12), { epochs: 1, progress: false, onPlan })).rejects.toThrow('not that plan');
    const { history } = await fineTune(model, colours(12), { epochs: 1, progress: false });
    expect(history.epochs).toHaveLength(1);
    model.dispose();
  });

  test('holds nothing out of few examples, and says so', async () => {
    const model = await colourModel();
    const { plan } = await fineTune(model, colours(99), { epochs: 1, progress: false });
    expect(plan.examples.validation).toBe(0);
    expect(plan.describe()).toMatch(/too few/);
    model.dispose();
  });
});

describe('training', () => {
  test('a frozen base with cached features and one without a cache learn the same', async () => {
    const losses: number[][] = [];
    for (const cacheBytes of [2 ** 30, 0]) {
      const model = await colourModel();
      const { history } = await fineTune(model, colours(30), { epochs: 3, validation: 0, cacheBytes, progress: false });
      losses.push(history.epochs.map((epoch) => epoch.loss));
      model.dispose();
    }
    losses[1]!.forEach((loss, index) => expect(loss).toBeCloseTo(losses[0]![index]!, 4));
  });

  test('with layers unfrozen, features beyond the budget are computed again and teach the same', async () => {
    const losses: number[][] = [];
    for (const cacheBytes of [2 ** 30, 4000, 0]) {
      const model = await colourModel();
      const options = { unfreeze: { last: 2 }, epochs: 2, headEpochs: 2, validation: 0, cacheBytes, progress: false } as const;
      const { history } = await fineTune(model, colours(30), options);
      losses.push(history.epochs.map((epoch) => epoch.loss));
      model.dispose();
    }
    for (const curve of losses.slice(1)) curve.forEach((loss, index) => expect(loss).toBeCloseTo(losses[0]![index]!, 3));
  });

  test('a head that corrupts its inputs sees them anew in every epoch, frozen base or not', async () => {
    const head = classification(['even', 'odd']);
    let seen = 0;
    const corrupting = { ...head, corrupt: (inputs: readonly EncodedInput[]) => (seen++, inputs) };
    for (const unfreeze of ['none', { last: 1 }] as const) {
      seen = 0;
      const model = addHead(await tinyBase(bert, runtime), corrupting, { seed: 5 });
      const { history } = await fineTune(model, tinySamples(bert) as never, {
        unfreeze,
        headEpochs: 2,
        epochs: 2,
        validation: 0,
        progress: false,
      });
      expect(history.epochs.every((epoch) => Number.isFinite(epoch.loss))).toBe(true);
      expect(seen).toBeGreaterThanOrEqual(8 * (1 + history.epochs.length));
      model.dispose();
    }
  });

  test('early stopping restores the best weights', async () => {
    const model = await colourModel();
    const validation = colours(30, 5);
    const { history } = await fineTune(model, colours(60), {
      validation,
      epochs: 30,
      learningRate: 0.3,
      earlyStopping: { patience: 2 },
      progress: false,
    });
    const best = Math.min(...history.epochs.map((epoch) => epoch.validation!.loss));
    expect(history.epochs[history.best['head']! - 1]!.validation!.loss).toBe(best);
    const { metrics } = await evaluate(model, validation);
    expect(metrics['loss']).toBeCloseTo(best, 4);
    model.dispose();
  });

  test('progress events count up to the end', async () => {
    const model = await colourModel();
    const events: ProgressEvent[] = [];
    await fineTune(model, colours(30), { epochs: 2, validation: 0, onProgress: (event) => events.push(event), progress: false });
    const training = events.filter((event) => event.stage === 'training');
    expect(events[0]!.stage).toBe('features');
    expect(training.at(-1)).toMatchObject({ epoch: 2, done: training.at(-1)!.total });
    expect(training.at(-1)!.figures['loss']).toBeGreaterThan(0);
    model.dispose();
  });

  test('class weights move predictions as they weigh', async () => {
    // The same sentence with both labels: the best a model can say is the weighted share of each.
    const contradiction = examples(
      Array.from({ length: 16 }, (_, index) => ({ text: 'the red rose', label: index % 2 === 0 ? 'even' : 'odd' })),
    );
    const chance = async (options: object): Promise<number> => {
      const model = await tinyModel(bert, runtime);
      await fineTune(model, contradiction as never, {
        unfreeze: 'none',
        epochs: 60,
        learningRate: 0.05,
        validation: 0,
        progress: false,
        ...options,
      });
      const { scores } = (await model.predict('the red rose' as never)) as unknown as { scores: Record<string, number> };
      model.dispose();
      return scores['odd']!;
    };
    expect(await chance({})).toBeCloseTo(0.5, 1);
    expect(await chance({ classWeights: { odd: 3, even: 1 } })).toBeCloseTo(0.75, 1);
    expect(await chance({ classWeights: { odd: 1, even: 3 } })).toBeCloseTo(0.25, 1);
    expect(await chance({ classWeights: { odd: 1, even: 1e6 }, labelSmoothing: 0.2 })).toBeCloseTo(0.1, 1);
  });

  test('memory is flat over 500 steps', async () => {
    const model = await tinyModel(bert, runtime);
    const counts: number[] = [];
    let steps = 0;
    const onProgress = (event: ProgressEvent): void => {
      if (event.stage === 'training' && event.phase === 'fine-tune' && ++steps % 50 === 0) counts.push(tf.memory().numTensors);
    };
    await fineTune(model, tinySamples(bert) as never, {
      unfreeze: 'all',
      headEpochs: 1,
      epochs: 510,
      batchSize: 8,
      validation: 0,
      earlyStopping: false,
      onProgress,
      progress: false,
    });
    expect(steps).toBeGreaterThanOrEqual(500);
    expect(new Set(counts.slice(1)).size).toBe(1);
    model.dispose();
  });
});

describe('aborting', () => {
  test('in training keeps the best weights so far and says so', async () => {
    const model = await colourModel();
    const controller = new AbortController();
    const onProgress = (event: ProgressEvent): void => {
      if (event.epoch === 3) controller.abort();
    };
    const { history } = await fineTune(model, colours(60), {
      validation: colours(15, 5),
      epochs: 50,
      earlyStopping: { patience: 50 },
      signal: controller.signal,
      onProgress,
      progress: false,
    });
    expect(history.ended).toBe('aborted');
    expect(history.epochs).toHaveLength(2);
    expect(history.best['head']).toBeGreaterThan(0);
    expect(await model.predict({ width: 2, height: 2, data: new Uint8Array(12) })).toHaveProperty('label');
    model.dispose();
  });

  test('by a timer works too: the event loop gets its turns', async () => {
    const model = await tinyModel(bert, runtime);
    const signal = AbortSignal.timeout(600);
    const { history } = await fineTune(model, tinySamples(bert) as never, {
      unfreeze: 'all',
      epochs: 100_000,
      validation: 0,
      signal,
      progress: false,
    });
    expect(history.ended).toBe('aborted');
    model.dispose();
  });

  test('before the first step is an error, and nothing has changed or leaked', async () => {
    const model = await colourModel();
    const before = await model.predict({ width: 2, height: 2, data: new Uint8Array(12) });
    await expectNoLeaks(() =>
      expectFailure(() => fineTune(model, colours(30), { signal: AbortSignal.abort(), progress: false }), 'aborted', 'nothing was trained'),
    );
    expect(await model.predict({ width: 2, height: 2, data: new Uint8Array(12) })).toEqual(before);
    model.dispose();
  });
});

describe('what is refused', () => {
  const refused = async (data: ReturnType<typeof colours>, options: object, code: string, ...pieces: string[]): Promise<void> => {
    const model = await colourModel();
    await expectNoLeaks(() => expectFailure(() => fineTune(model, data, { progress: false, ...options }), code, ...pieces));
    model.dispose();
  };

  test('an option that does not exist', () => refused(colours(9), { epoch: 3 }, 'unknown-name', 'epoch', 'Did you mean "epochs"?'));
  test('an option out of range', () =>
    refused(colours(9), { labelSmoothing: 1.5 }, 'bad-option', 'labelSmoothing must be', 'Received: 1.5'));
  test('a learning rate that is not positive', () => refused(colours(9), { learningRate: { head: 0 } }, 'bad-option', 'learningRate'));
  test('a patience of nothing', () => refused(colours(9), { earlyStopping: { patience: 0 } }, 'bad-option', 'earlyStopping.patience'));
  test('a group that does not exist', () =>
    refused(colours(9), { unfreeze: { from: 'blok-3' } }, 'unknown-name', 'layer group', 'Did you mean'));
  test('an unfreeze that means nothing', () => refused(colours(9), { unfreeze: { last: -1 } }, 'bad-option', 'unfreeze must be'));
  test('a monitor that the head does not have', () =>
    refused(colours(30), { validation: colours(9), earlyStopping: { monitor: 'acuracy' } }, 'unknown-name', 'accuracy'));
  test('a label in validation that training lacks', () =>
    refused(
      colours(9),
      { validation: examples([{ image: { width: 2, height: 2, data: new Uint8Array(12) }, label: 'violet' }]) as never },
      'bad-data',
      'validation data',
      '"violet"',
      'Known: red, green, blue',
    ));
  test('a loss that is no number, with the step and the likely cause', () =>
    refused(colours(30), { learningRate: 1e30, gradientClip: 0, epochs: 20, validation: 0 }, 'diverged', 'step', 'learning rate too high'));

  test('freezing everything with nothing to train', async () => {
    const base = await tinyBase(mobilenetV2, runtime);
    const head = classification(['red', 'green', 'blue']);
    const empty = { ...head, build: (context: Parameters<typeof head.build>[0]) => withoutWeights(head.build(context)) };
    const model = addHead(freezeBase(base), empty);
    await expectFailure(() => fineTune(model, colours(9), { progress: false }), 'nothing-to-train', 'every weight is frozen', 'unfreeze');
    model.dispose();
  });

  test('two trainings on one base at once, and dispose meanwhile', async () => {
    const base = await tinyBase(mobilenetV2, runtime);
    const [one, other] = [1, 2].map(() => addHead(base, classification(['red', 'green', 'blue']))) as [
      Awaited<ReturnType<typeof colourModel>>,
      Awaited<ReturnType<typeof colourModel>>,
    ];
    const first = fineTune(one, colours(30), { epochs: 2, progress: false });
    await expectFailure(() => fineTune(other, colours(30), { progress: false }), 'bad-option', 'another on the same base');
    expect(() => one.dispose()).toThrow(/being trained/);
    expect(() => base.dispose()).toThrow(/being trained/);
    await first;
    one.dispose();
    other.dispose();
    expect(base.isDisposed).toBe(true);
  });

  test('two trainings of one model at once', async () => {
    const model = await colourModel();
    const first = fineTune(model, colours(30), { epochs: 2, progress: false });
    await expectFailure(() => fineTune(model, colours(30), { progress: false }), 'bad-option', 'being trained already');
    await first;
    model.dispose();
  });

  test('use after dispose', async () => {
    const model = await colourModel();
    model.dispose();
    model.dispose();
    await expectFailure(() => model.predict('a.jpg'), 'disposed');
    await expectFailure(() => fineTune(model, colours(9)), 'disposed');
    await expectFailure(() => evaluate(model, colours(9)), 'disposed');
    await expectFailure(() => model.save('nowhere'), 'disposed');
    expect(() => freezeBase(model.base)).toThrow(/disposed/);
  });
});

/** A head whose weights do not learn, as a fixed projection would be. */
function withoutWeights<T extends { layers: { trainable: boolean }[] }>(model: T): T {
  for (const layer of model.layers) layer.trainable = false;
  return model;
}
