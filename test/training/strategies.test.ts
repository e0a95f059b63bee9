import { describe, expect, test } from 'vitest';
import {
  addHead,
  classification,
  evaluate,
  fineTune,
  freezeBase,
  loadModel,
  lora,
  runtime,
  strategies,
  TrainingControl,
  type FineTuned,
  type FineTuneOptions,
  type TrainingEvent,
  type TrainingHistory,
} from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { expectFailure, expectNoLeaks, tinyBase, tinyModel, tinySamples } from 'transferkit/testing';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

await runtime.chooseBackend('wasm');

const quiet = { progress: false, validation: 0, cache: false } as const;

/** A tiny model trained in some way, with its plan, history and weights. */
async function trained(family: never, options: FineTuneOptions<any, any>) {
  const model = await tinyModel(family, runtime);
  const { plan, history }: FineTuned<unknown> = await fineTune(model, tinySamples(family) as never, { ...quiet, ...options } as never);
  const weights = new Map([...model.weights()].map(([name, weight]) => [name, Array.from(weight.read().dataSync())]));
  model.dispose();
  return { plan, history, weights };
}

const losses = ({ history }: { history: TrainingHistory }) => history.epochs.map(({ loss }) => loss);

describe('strategies', () => {
  test('the head alone is fitted at once where nothing asks for steps', async () => {
    const { plan, history } = await trained(mobilenetV2 as never, {});
    expect(plan.strategy.name).toBe('linearProbe');
    expect(plan.describe()).toMatch(/a logistic regression finds the best linear head at once/);
    expect(plan.describe()).toMatch(/fitted at once as a logistic regression \(L-BFGS, penalty chosen by cross-validation\)/);
    expect(history.epochs).toHaveLength(1);
    expect(history.epochs[0]!.accuracy).toBe(1);
    expect(history.epochs[0]!.solved!.strength).toBeGreaterThan(0);
    expect(history.epochs[0]!.solved!.iterations).toBeGreaterThan(0);
  });

  test('an abort while the head is fitted is an error, and the model can be trained afterwards', async () => {
    const model = await tinyModel(mobilenetV2, runtime);
    const control = new TrainingControl();
    const onEvent = ({ type }: TrainingEvent): void => {
      if (type === 'phase') control.abort();
    };
    await expectFailure(() => fineTune(model, tinySamples(mobilenetV2) as never, { ...quiet, control, onEvent }), 'aborted', 'stopped');
    expect((await fineTune(model, tinySamples(mobilenetV2) as never, quiet)).history.ended).toBe('completed');
    model.dispose();
  });

  test('options of steps ask for steps', async () => {
    const { plan, history } = await trained(mobilenetV2 as never, { epochs: 2 });
    expect(plan.strategy.name).toBe('head');
    expect(plan.describe()).toMatch(/epochs asked for steps/);
    expect(history.epochs).toHaveLength(2);
  });

  test('rates of layer-wise decay shrink towards the input', async () => {
    const { plan } = await trained(bert as never, { strategy: strategies.all({ layerDecay: 0.5 }), epochs: 1, headEpochs: 1 });
    const { rates, learns, firstGroup } = plan.phases[1]!;
    expect(firstGroup).toBe(0);
    expect(learns.every(Boolean)).toBe(true);
    const [embeddings, ...others] = rates.groups;
    expect(embeddings).toBeLessThan(others[0]!);
    expect(others[0]! / embeddings!).toBeCloseTo(2);
    expect(plan.describe()).toMatch(/falling to .* towards the input/);
  });

  test("fastai's rates are spread over a factor of 100, after the rate was halved", async () => {
    const { plan } = await trained(mobilenetV2 as never, { strategy: 'fastai', epochs: 1 });
    const [head, all] = plan.phases;
    expect(head!.rates.head).toBe(2e-3);
    expect(head!.schedule).toEqual({ kind: 'one-cycle', warmup: 0.99 });
    expect(all!.rates.head).toBe(1e-3);
    expect(all!.rates.groups[0]).toBeCloseTo(1e-5, 9);
    const ratios = all!.rates.groups.slice(1).map((rate, index) => rate / all!.rates.groups[index]!);
    for (const ratio of ratios) expect(ratio).toBeCloseTo(ratios[0]!, 6);
  });

  test('gradual unfreezing adds a part with each stage', async () => {
    const { plan, history } = await trained(bert as never, { strategy: strategies.gradual({ parts: 2 }) });
    expect(plan.phases.map(({ name }) => name)).toEqual(['head', 'unfreeze-1', 'unfreeze-2']);
    const counts = plan.phases.map(({ learns }) => learns.filter(Boolean).length);
    expect(counts[0]).toBe(0);
    expect(counts[1]).toBeGreaterThan(0);
    expect(counts[2]).toBe(plan.phases[2]!.learns.length);
    expect(counts[1]).toBeLessThan(counts[2]!);
    expect(history.epochs.map(({ phase }) => phase)).toEqual(['head', 'head', 'unfreeze-1', 'unfreeze-2']);
  });

  test('a probe first, then low rates for everything', async () => {
    const { plan, history } = await trained(bert as never, { strategy: 'probeThenFineTune', epochs: 1 });
    expect(plan.phases[0]!.solve).toEqual({ solver: 'logistic-regression', strength: 'auto' });
    expect(plan.phases[1]!.rates.head).toBe(1e-4);
    expect(history.epochs[1]!.loss).toBeCloseTo(history.epochs[0]!.loss, 1); // it starts where the probe ended
  });

  test('a strategy written out by hand is taken as it is, and saved with the model', async () => {
    const strategy = {
      name: 'mine',
      stages: [
        { name: 'warm', unfreeze: 'none', epochs: 1, rates: { head: 0.01 }, schedule: { kind: 'constant', warmup: 0 } },
        { name: 'tail', unfreeze: { last: 1 }, epochs: 1, batchSize: 4, rates: { head: 0.001, base: 0.0001 }, weightDecay: 0 },
      ],
    } as const;
    const folder = await mkdtemp(join(tmpdir(), 'strategy-'));
    const model = await tinyModel(bert, runtime);
    await fineTune(model, tinySamples(bert) as never, { ...quiet, strategy });
    await model.save(join(folder, 'model'));
    model.dispose();
    using loaded = await loadModel(join(folder, 'model'));
    expect(loaded.record.training!.plan.strategy).toEqual(strategy);
    expect(loaded.record.training!.plan.phases[1]).toMatchObject({ name: 'tail', batchSize: 4, weightDecay: 0, rates: { base: 0.0001 } });
    await rm(folder, { recursive: true });
  });

  test('an adapter learns on a base that stays as it is', async () => {
    const model = await tinyModel(bert, runtime);
    const before = new Map([...model.base.weights()].map(([name, weight]) => [name, Array.from(weight.read().dataSync())]));
    const { plan } = await fineTune(model, tinySamples(bert) as never, { ...quiet, adapter: lora({ rank: 2 }), epochs: 2, headEpochs: 1 });
    expect(plan.strategy.name).toBe('adapter');
    expect(plan.describe()).toMatch(/the head and the adapter/);
    expect(plan.describe()).toMatch(/adapter: LoRA rank 2 on \d+ layers: [\d,]+ trained parameters, .* % of the base/);
    for (const [name, weight] of model.base.weights()) expect(Array.from(weight.read().dataSync())).toEqual(before.get(name));
    expect(model.adapter!.parameters).toBeGreaterThan(0);
    const trainedOnce = model.adapter!;
    await fineTune(model, tinySamples(bert) as never, { ...quiet, epochs: 1 });
    expect(model.adapter).toBe(trainedOnce); // training goes on with the adapter that is there
    model.dispose();
  });

  test('a run that fails takes its adapter off again and leaks nothing', async () => {
    await expectNoLeaks(async () => {
      const model = await tinyModel(bert, runtime);
      const options = { ...quiet, adapter: lora(), learningRate: 1e30, gradientClip: 0, epochs: 3 };
      await expectFailure(() => fineTune(model, tinySamples(bert) as never, options), 'diverged', 'learning rate too high');
      expect(model.adapter).toBeUndefined();
      model.dispose();
    });
  });

  test.each<[string, FineTuneOptions, string, string]>([
    ['an unknown name', { strategy: 'fastia' as never }, 'unknown-name', 'fastai'],
    ['no stages', { strategy: { name: 'x', stages: [] } }, 'bad-option', 'one stage or more'],
    ['strategy and unfreeze', { strategy: 'head', unfreeze: 'all' }, 'bad-option', 'leave one of them out'],
    ['steps of a probe', { strategy: 'linearProbe', epochs: 3 }, 'bad-option', 'fits the head at once'],
    ['an adapter that is not there', { strategy: 'adapter' }, 'bad-option', 'pass adapter: lora()'],
    [
      'two stages of one name',
      {
        strategy: {
          name: 'x',
          stages: [
            { name: 'a', unfreeze: 'none' },
            { name: 'a', unfreeze: 'all' },
          ],
        },
      },
      'bad-option',
      'called "a"',
    ],
    [
      'an unknown member',
      { strategy: { name: 'x', stages: [{ name: 'a', unfreeze: 'none', epoch: 1 } as never] } },
      'unknown-name',
      'epochs',
    ],
    ['a bad rate', { strategy: { name: 'x', stages: [{ name: 'a', unfreeze: 'none', rates: { head: -1 } }] } }, 'bad-option', 'rates.head'],
    [
      'half a spread',
      { strategy: { name: 'x', stages: [{ name: 'a', unfreeze: 'all', rates: { from: 1 } as never }] } },
      'bad-option',
      'both from and to',
    ],
    [
      'an unknown group',
      { strategy: { name: 'x', stages: [{ name: 'a', unfreeze: { groups: ['layer-77'] } }] } },
      'unknown-name',
      'layer-1',
    ],
    ['a share of nothing', { strategy: { name: 'x', stages: [{ name: 'a', unfreeze: { share: 0 } }] } }, 'bad-option', 'share of 0'],
    [
      'solving while layers learn',
      { strategy: { name: 'x', stages: [{ name: 'a', unfreeze: 'all', solve: 'logistic-regression' }] } },
      'bad-option',
      'use two stages',
    ],
    ['mixing of token ids', { mix: { mixup: 0.2 }, unfreeze: 'all' }, 'bad-option', 'token ids cannot be mixed'],
    ['cutting sentences up', { mix: { cutmix: 1 }, epochs: 1 }, 'bad-option', 'cutmix cannot mix'],
    ['views without augmentation', { views: 2 }, 'bad-option', 'without augment'],
  ])('%s is refused', async (_what, options, code, words) => {
    using model = await tinyModel(bert, runtime);
    await expectFailure(() => fineTune(model, tinySamples(bert) as never, { ...quiet, ...options } as never), code as never, words);
    expect(model.base.busy).toBe(false);
  });
});

/** Sentences by their first word, unbalanced. */
const sentences = (count: number) =>
  examples(
    Array.from({ length: count }, (_, index) => ({
      text: `${index % 5 === 0 ? 'rare' : 'often'} word ${index}`,
      label: index % 5 === 0 ? 'odd' : 'even',
    })),
  );

describe('what moves the weights', () => {
  test('optimisers, schedules, averages and accumulation change the curve and give the same curve again', async () => {
    const plain = { strategy: 'all', epochs: 3, headEpochs: 1, batchSize: 4, learningRate: 0.005 } as const;
    const curves = new Set<string>();
    for (const more of [
      {},
      { optimizer: 'sgd' },
      { optimizer: 'lion', learningRate: 0.001 },
      { optimizer: 'adafactor' },
      { schedule: 'constant' },
      { schedule: 'linear' },
      { schedule: 'one-cycle' },
      { accumulate: 2 },
      { focalGamma: 2 },
      { labelSmoothing: 0.1 },
      { sampling: 'balanced' },
      { mix: { mixup: 0.4 }, strategy: 'last' },
    ] as FineTuneOptions[]) {
      const first = losses(await trained(bert as never, { ...plain, ...more }));
      expect(losses(await trained(bert as never, { ...plain, ...more }))).toEqual(first);
      expect(first.every(Number.isFinite)).toBe(true);
      curves.add(JSON.stringify(first));
    }
    expect(curves.size).toBeGreaterThanOrEqual(11); // two curves may only be equal by chance
  });

  test('a moving average and the mean of the best epochs are what the model ends with', async () => {
    const plain = { strategy: 'head', epochs: 4, batchSize: 4, learningRate: 0.05 } as const;
    const last = await trained(bert as never, plain);
    for (const more of [{ ema: 0.9 }, { averageBest: 3 }] as FineTuneOptions[]) {
      const other = await trained(bert as never, { ...plain, ...more });
      expect(losses(other)).toEqual(losses(last)); // the way is the same
      expect(other.weights.get('head/logits/kernel')).not.toEqual(last.weights.get('head/logits/kernel'));
      expect(other.plan.describe()).toMatch(/moving average|best 3 epochs are averaged/);
    }
  });

  test('an example of weight 0 teaches nothing', async () => {
    const wrong = (index: number) => index % 4 === 3;
    const rows = Array.from({ length: 24 }, (_, index) => {
      const red = index % 2 === 0;
      const data = Uint8Array.from(
        { length: 24 * 24 * 3 },
        (_unused, place) => (place % 3 === (red ? 0 : 2) ? 200 : 40) + ((index * 7 + place) % 40),
      );
      const label = (red !== wrong(index) ? 'red' : 'blue') as 'red' | 'blue';
      return { image: { width: 24, height: 24, data }, label, weight: wrong(index) ? 0 : 1 };
    });
    for (const strategy of ['head', 'linearProbe'] as const) {
      using model = addHead(await tinyBase(mobilenetV2, runtime), classification(['red', 'blue']));
      await fineTune(model, examples(rows), { ...quiet, strategy });
      const right = rows.map((row, index) => ({ ...row, label: (index % 2 === 0 ? 'red' : 'blue') as 'red' | 'blue' }));
      expect((await evaluate(model, examples(right))).metrics.accuracy).toBe(1);
    }
  });

  test('weights that are all 0 are refused', async () => {
    using model = await tinyModel(bert, runtime);
    const rows = examples([
      { text: 'a', label: 'even', weight: 0 },
      { text: 'b', label: 'odd', weight: 0 },
    ]);
    await expectFailure(() => fineTune(model, rows as never, quiet), 'bad-data', 'every training example has weight 0');
  });

  test('balanced drawing is planned and told', async () => {
    using model = addHead(await tinyBase(bert, runtime), classification(['even', 'odd']));
    const { plan } = await fineTune(model, sentences(40), { ...quiet, sampling: 'balanced', epochs: 2 });
    expect(plan.sampling).toBe('balanced');
    expect(plan.describe()).toMatch(/every class is drawn alike often/);
  });
});

describe('control', () => {
  test('two trainings at once are what each is alone', async () => {
    const options = { strategy: 'all', epochs: 3, headEpochs: 1, batchSize: 4 } as const;
    const alone = [await trained(bert as never, options), await trained(mobilenetV2 as never, options)];
    const together = await Promise.all([trained(bert as never, options), trained(mobilenetV2 as never, options)]);
    together.forEach(({ weights }, index) => expect(weights).toEqual(alone[index]!.weights));
    expect(together.map(losses)).toEqual(alone.map(losses));
  });

  test('events come in order, with rates and times, and the run can be paused and resumed in place', async () => {
    const model = await tinyModel(bert, runtime);
    const run = fineTune.events(model, tinySamples(bert) as never, { ...quiet, strategy: 'all', epochs: 2, headEpochs: 2, batchSize: 4 });
    const seen: TrainingEvent[] = [];
    for await (const event of run) {
      seen.push(event);
      if (event.type !== 'step' || event.phase !== 'head' || event.step !== 2) continue;
      run.pause();
      setTimeout(() => run.resume(), 30);
    }
    const { history } = await run.result;
    const types = seen.map(({ type }) => type);
    expect(types[0]).toBe('plan');
    expect(types.at(-1)).toBe('end');
    expect(types.filter((type) => type === 'phase')).toHaveLength(2);
    expect(seen.filter(({ type }) => type === 'epoch')).toHaveLength(history.epochs.length);
    const steps = seen.filter((event) => event.type === 'step');
    expect(steps).toHaveLength(8);
    expect(steps.at(-1)).toMatchObject({ phase: 'fine-tune', epoch: 2, step: 4, steps: 4 });
    expect(steps.at(-1)!.rate).toBeGreaterThan(0);
    expect(steps.at(-1)!.secondsLeft).toBeGreaterThanOrEqual(0);
    expect(types).toContain('paused');
    expect(types.indexOf('resumed')).toBeGreaterThan(types.indexOf('paused'));
    model.dispose();
  });

  test('leaving the loop aborts the training', async () => {
    const model = await tinyModel(bert, runtime);
    const run = fineTune.events(model, tinySamples(bert) as never, { ...quiet, strategy: 'head', epochs: 500 });
    for await (const event of run) if (event.type === 'epoch' && event.record.epoch === 3) break;
    const { history } = await run.result;
    expect(history.ended).toBe('aborted');
    expect(history.epochs.length).toBeLessThan(500);
    expect(model.base.busy).toBe(false);
    model.dispose();
  });

  test('a control pauses, resumes and aborts from outside, and a pause changes no number', async () => {
    const options = { strategy: 'head', epochs: 4, batchSize: 4 } as const;
    const control = new TrainingControl();
    control.pause();
    setTimeout(() => control.resume(), 50);
    const started = performance.now();
    const paused = await trained(bert as never, { ...options, control });
    expect(performance.now() - started).toBeGreaterThan(40);
    expect(losses(paused)).toEqual(losses(await trained(bert as never, options)));
    const stopped = new TrainingControl();
    const onEvent = ({ type }: TrainingEvent): void => {
      if (type === 'epoch') stopped.abort();
    };
    const { history } = await trained(bert as never, { ...options, control: stopped, onEvent });
    expect(history.ended).toBe('aborted');
    expect(history.epochs).toHaveLength(1);
  });
});

test('every strategy leaks no tensor', async () => {
  for (const name of Object.keys(strategies) as (keyof typeof strategies)[]) {
    await expectNoLeaks(async () => {
      const model = await tinyModel(bert, runtime);
      const adapter = name === 'adapter' ? { adapter: lora({ rank: 2, dropout: 0.1 }) } : {};
      await fineTune(model, tinySamples(bert) as never, { ...quiet, ...adapter, validation: 0.5, strategy: name });
      model.dispose();
    });
  }
});

test('a freeze state that was set is kept to', async () => {
  using model = await tinyModel(bert, runtime);
  freezeBase(model.base, { unfreeze: { last: 1 } });
  const { plan } = await fineTune(model, tinySamples(bert) as never, { ...quiet, epochs: 1, headEpochs: 1 });
  expect(plan.strategy.name).toBe('unfreeze');
  expect(plan.phases[1]!.learns).toEqual(model.base.freeze.learns);
});
