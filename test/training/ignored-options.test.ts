/** Options that would change nothing are refused, or do what they say: none is accepted and ignored. */
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  addHead,
  classification,
  fineTune,
  findLearningRate,
  lora,
  runtime,
  strategies,
  type EncodedInput,
  type FineTuneOptions,
  type TrainingPlan,
} from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { expectFailure, expectNoLeaks, tinyBase, tinyModel, tinySamples } from 'transferkit/testing';

await runtime.chooseBackend('wasm');

const quiet = { progress: false, validation: 0, cache: false, epochs: 1 } as const;
const photoAugmentation = { kind: 'image', flip: 0.5 } as const;
const probeFirst = { strategy: 'probeThenFineTune', headEpochs: 4 } as const;
const wholeBase = {
  name: 'mine',
  stages: [{ name: 'everything', unfreeze: 'all', epochs: 1 }],
} as const;

async function refused(family: unknown, options: FineTuneOptions<any, any>, ...words: string[]): Promise<void> {
  await expectNoLeaks(async () => {
    const model = await tinyModel(family as never, runtime);
    const before = model.base.freeze;
    const error = await expectFailure(
      () => fineTune(model, tinySamples(family as never) as never, { ...quiet, ...options } as never),
      'bad-option',
      'Expected: ',
      'Received: ',
      'Fix: ',
      ...words,
    );
    expect(error.details!['option']).toBe(words[0]!.split(' ')[0]);
    expect([model.base.busy, model.base.freeze, model.adapter]).toEqual([false, before, undefined]);
    model.dispose();
  });
}

/** Trains a tiny model and gives its plan. */
async function planOf(family: unknown, options: FineTuneOptions<any, any>): Promise<TrainingPlan> {
  using model = await tinyModel(family as never, runtime);
  return (await fineTune(model, tinySamples(family as never) as never, { ...quiet, ...options } as never)).plan;
}

describe('views', () => {
  test('are refused where no part of the network is computed ahead', () =>
    refused(
      mobilenetV2,
      { augment: photoAugmentation, views: 2, unfreeze: 'all', headEpochs: 0 },
      'views are augmented examples',
      'the whole base learns in every stage',
      'Received: views 2',
      'unfreeze: { last: 2 }',
    ));

  test('are kept where the head alone comes first, or the first groups are frozen', async () => {
    for (const unfreeze of ['all', { last: 1 }] as const)
      expect((await planOf(mobilenetV2, { augment: photoAugmentation, views: 3, unfreeze, headEpochs: 1 })).views).toBe(3);
    expect((await planOf(mobilenetV2, { augment: photoAugmentation, unfreeze: 'all', headEpochs: 0 })).views).toBe(0);
  });
});

describe('headEpochs', () => {
  test('train the head step by step where it would have been fitted at once', async () => {
    using model = await tinyModel(bert, runtime);
    const once = await fineTune(model, tinySamples(bert) as never, quiet);
    expect(once.plan.strategy.name).toBe('tune');
    expect(once.plan.phases[0]!.solve).not.toBeNull();
    using other = await tinyModel(bert, runtime);
    const { plan, history } = await fineTune(other, tinySamples(bert) as never, { ...quiet, headEpochs: 3 });
    expect(plan.strategy.name).toBe('tune');
    expect(plan.phases[0]).toMatchObject({ name: 'head', solve: null, epochs: 3 });
    expect(plan.phases[1]!.learns).toEqual(once.plan.phases[1]!.learns);
    expect(history.epochs.map(({ phase }) => phase)).toEqual(['head', 'head', 'head', 'fine-tune']);
  });

  test('of 0 leave the stage of the head out', async () => {
    expect((await planOf(bert, { headEpochs: 0 })).phases.map(({ name }) => name)).toEqual(['fine-tune']);
  });

  test.each([
    ['fits the head at once', probeFirst, 'headEpochs 4 for the stages head (the head, fitted at once), fine-tune (head and base)'],
    ['has no stage of the head', { strategy: wholeBase, headEpochs: 4 }, 'for the stages everything (head and base)'],
  ] as const)('are refused where the strategy %s', (_what, options, received) =>
    refused(
      bert,
      options as never,
      'headEpochs means nothing to the strategy',
      'a stage that trains the head alone step by step',
      received,
    ),
  );
});

describe('an adapter', () => {
  const both = { adapter: lora({ rank: 2 }), unfreeze: { last: 1 } } as const;

  test('and unfreeze contradict each other', () =>
    refused(bert, both, 'unfreeze asks for layers of the base', 'this model gets an adapter', 'leave one of unfreeze and adapter out'));

  test('that the model has already is to be merged before layers of the base learn', async () => {
    using model = await tinyModel(bert, runtime);
    const data = tinySamples(bert) as never;
    await fineTune(model, data, { ...quiet, adapter: lora({ rank: 2 }) });
    const adapter = model.adapter!;
    const unfreezing = { ...quiet, unfreeze: { last: 1 }, headEpochs: 0 } as const;
    await expectFailure(() => fineTune(model, data, unfreezing), 'bad-option', 'this model has an adapter', 'model.mergeAdapter()');
    expect(model.adapter).toBe(adapter);
    expect((await fineTune(model, data, { ...quiet, unfreeze: 'none' })).plan.strategy.name).toBe('adapter'); // that is no contradiction
    model.mergeAdapter();
    expect((await fineTune(model, data, unfreezing)).plan.phases[0]!.learns).toContain(true);
  });

  test('and unfreeze contradict each other for findLearningRate too', async () => {
    using model = await tinyModel(bert, runtime);
    await expectFailure(
      () => findLearningRate(model, tinySamples(bert) as never, both as never),
      'bad-option',
      'this model gets an adapter',
    );
    expect(model.adapter).toBeUndefined();
  });

  test('is refused where no stage trains it', () =>
    refused(
      bert,
      { adapter: lora({ rank: 2 }), strategy: 'all' },
      'adapter means nothing to the strategy "all"',
      'a stage that trains the adapter',
      'adapter: true',
    ));
});

describe('a rate', () => {
  const spread = { strategy: strategies.fastai({ epochs: 1 }) };
  test.each<[string, FineTuneOptions<any, any>, string]>([
    [
      'the adapter without one',
      { learningRate: { head: 0.01, adapter: 0.01 } },
      'learningRate.adapter means nothing to the strategy "tune"',
    ],
    [
      'the adapter while the base learns',
      { learningRate: { adapter: 0.01 }, unfreeze: 'all' },
      'learningRate.adapter means nothing to the strategy "unfreeze"',
    ],
    ['a base that is frozen', { learningRate: { base: 0.01 }, strategy: 'head' }, 'learningRate.base means nothing to the strategy "head"'],
    [
      "a base whose rates are spread from the head's",
      { learningRate: { base: 0.01 }, ...spread },
      'learningRate.base means nothing to the strategy "fastai"',
    ],
  ])('for %s is refused', (_what, options, words) => refused(bert, options, words, 'a stage that trains', '0.01'));

  test('for the part that learns is taken', async () => {
    const adapter = await planOf(bert, { adapter: lora({ rank: 2 }), learningRate: { adapter: 0.007 } });
    expect(adapter.phases.at(-1)!.rates.adapter).toBe(0.007);
    expect((await planOf(bert, { unfreeze: 'all', learningRate: { base: 0.003 } })).phases.at(-1)!.rates.base).toBe(0.003);
  });
});

describe('a head that changes its inputs anew', () => {
  /** A model whose head does, and the workers that were started for it. */
  async function corrupting() {
    const spawned: unknown[] = [];
    const spawnWorker = (module: URL): never => {
      spawned.push(module);
      throw new Error('no worker is to be started');
    };
    const head = { ...classification(['even', 'odd']), corrupt: (inputs: readonly EncodedInput[]) => inputs };
    const model = addHead(await tinyBase(mobilenetV2, { ...runtime, spawnWorker }), head);
    onTestFinished(() => model.dispose());
    return { model, spawned };
  }

  test('starts no workers, and the plan says so once', async () => {
    const { model, spawned } = await corrupting();
    const { plan, history } = await fineTune(model, tinySamples(mobilenetV2), { ...quiet, workers: 2 });
    expect(spawned).toEqual([]);
    expect(history.ended).toBe('completed');
    expect(plan.decisions.filter((decision) => decision.includes('workers are not started'))).toHaveLength(1);
    expect(plan.describe()).toContain('so the whole base runs at every step');
    const without = await fineTune(model, tinySamples(mobilenetV2), quiet);
    expect(without.plan.describe()).not.toContain('workers');
    using usual = await tinyModel(mobilenetV2, runtime);
    expect((await fineTune(usual, tinySamples(mobilenetV2), { ...quiet, workers: 1 })).plan.describe()).not.toContain('workers');
  });

  test('has no use for views, and draws a fresh one each epoch', async () => {
    const { model } = await corrupting();
    const options = { ...quiet, augment: photoAugmentation };
    const why = 'the head "classification" changes its inputs anew each time';
    await expectFailure(() => fineTune(model, tinySamples(mobilenetV2), { ...options, views: 2 }), 'bad-option', why, 'leave views out');
    expect((await fineTune(model, tinySamples(mobilenetV2), options)).plan.views).toBe(0);
  });
});

test('a place on disk is refused where the runtime has none', async () => {
  const { openRecords: _openRecords, ...diskless } = runtime;
  using model = await tinyModel(mobilenetV2, { ...diskless, name: 'web' });
  const data = tinySamples(mobilenetV2);
  for (const cache of [{}, { directory: 'features' }])
    for (const verb of [() => fineTune(model, data, { ...quiet, cache }), () => findLearningRate(model, data, { cache })])
      await expectFailure(
        verb,
        'unsupported',
        'the runtime "web" cannot keep features on disk',
        `Received: cache ${JSON.stringify(cache)}`,
        'Fix: leave cache out',
      );
  const { cache: _cache, ...silent } = quiet;
  expect((await fineTune(model, data, silent)).history.ended).toBe('completed');
});
