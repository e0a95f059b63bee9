/**
 * Both engines train alike: the loss of each of some fifty steps, and every weight behind them.
 *
 * Rates are such that a run does not blow up: where losses grow, rounding grows with them, whatever computes. Labels are smoothed, so that no
 * loss comes so near to zero that a share of it means nothing.
 */
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { afterAll, expect, test } from 'vitest';
import { addHead, fewShot, imageAugmentation, lora, strategies, textAugmentation, type FineTuneOptions, type Strategy } from 'transferkit';
import { tinyBase, tinySamples } from 'transferkit/testing';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { backbones } from '../../src/backbones/index.js';
import { createDataset } from '../../src/data/create-dataset.js';
import { contrastive } from '../../src/few-shot/contrastive-head.js';
import type { AnyHead, HeadBuildContext } from '../../src/heads/head.js';
import { optimizerNames } from '../../src/training/optimizer-recipe.js';
import { runtime } from '../../src/runtimes/node.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { countedRuntime } from './counted-runtime.js';
import { distance, modelOn, train, type Distance, type EngineUnderTest, type Trial } from './train-on-both.js';
import { loaded, withOnnxRuntime } from './with-onnx-runtime.js';

const families: readonly AnyBackbone[] = await Promise.all(backbones.map(async ({ load }) => await load()));
const familyOf = (name: string): AnyBackbone => families.find((family) => family.name === name)!;
await runtime.chooseBackend('wasm');

const engines: readonly EngineUnderTest[] = ['onnx', 'eager'];
const tolerance = 1e-4;

/** Two batches an epoch, both of one size. */
const common = { batchSize: 4, labelSmoothing: 0.1 } as const;

/** What came out, to be told at the end. */
const found: (Distance & { readonly name: string })[] = [];
afterAll(() => {
  if (found.length === 0) return;
  const worst = (of: 'loss' | 'weight'): string => {
    const most = found.reduce((one, other) => (other[of] > one[of] ? other : one));
    return `${most[of].toExponential(1)} (${most.name}${of === 'weight' ? `, ${most.where}` : ''})`;
  };
  console.log(`${found.length} trainings on both engines; largest difference of a loss ${worst('loss')}, of a weight ${worst('weight')}`);
});

/** The same training on each engine. */
async function onBoth(family: AnyBackbone, options: FineTuneOptions, dropout = 0): Promise<readonly [Trial, Trial]> {
  const trials: Trial[] = [];
  for (const engine of engines) {
    const model = await modelOn(family, { engine }, dropout);
    trials.push(await train(model, options));
    expect(model.base.parts.engine.notes).toEqual([]); // nothing was left to tfjs
    model.dispose();
  }
  return trials as [Trial, Trial];
}

function expectAlike(name: string, [onnx, eager]: readonly [Trial, Trial], steps: number): Distance {
  const far = distance(onnx, eager);
  found.push({ ...far, name });
  expect(far.steps).toBeGreaterThanOrEqual(steps);
  expect(far.loss, `losses of ${name}`).toBeLessThanOrEqual(tolerance);
  expect(far.weight, `${far.where} of ${name}`).toBeLessThanOrEqual(tolerance);
  return far;
}

/** Stages that take some fifty steps together, with rates that no stage of these tiny networks blows up by. */
function gently({ stages, ...strategy }: Strategy): Strategy {
  const stepwise = stages.filter(({ solve }) => solve === undefined).length;
  const epochs = Math.ceil(25 / Math.max(1, stepwise));
  const slower = (rates: Strategy['stages'][number]['rates'] = {}) =>
    'from' in rates ? rates : { ...rates, head: 1e-3, base: 1e-5, adapter: 1e-3 };
  return {
    ...strategy,
    stages: stages.map((stage) => (stage.solve === undefined ? { ...stage, epochs, rates: slower(stage.rates) } : stage)),
  };
}

/** Whether anything of the base can learn; a finished graph cannot. */
async function hasWeights(family: AnyBackbone): Promise<boolean> {
  using base = await tinyBase(family, runtime);
  return base.parts.built.groups.some(({ layers }) => layers.some(({ trainableWeights }) => trainableWeights.length > 0));
}

const learning = 'missing' in loaded ? [] : await Promise.all(families.map(hasWeights));
const named = Object.entries(strategies).map(([name, make]) => [name, make()] as const);
const isFrozen = ({ stages }: Strategy): boolean => stages.every(({ unfreeze, adapter }) => unfreeze === 'none' && adapter !== true);

/** Families with the strategies that they can be trained by. */
const pairs = families.flatMap((family, index) =>
  named
    .filter(([name, strategy]) => name !== 'adapter' && (learning[index] === true || isFrozen(strategy)))
    .map(([name, strategy]) => [family.name, name, family, strategy] as const),
);

withOnnxRuntime('a strategy', () => {
  test.each(pairs)('%s: %s', async (_family, name, family, strategy) => {
    const stepwise = strategy.stages.some(({ solve }) => solve === undefined);
    const options = stepwise ? { strategy: gently(strategy), ...common } : { strategy };
    expectAlike(`${family.name}, ${name}`, await onBoth(family, options), stepwise ? 50 : 0);
  });

  // a table of vectors and a finished graph have nothing that multiplies
  const adaptable = families.filter(({ name }, index) => learning[index] === true && name !== 'static-embedding');
  const adapters = [lora({ rank: 2, dropout: 0.1 }), lora({ rank: 2, dora: true })];
  test.each(
    adaptable.flatMap((family) => adapters.map((adapter) => [family.name, adapter.dora ? 'DoRA' : 'LoRA', family, adapter] as const)),
  )('%s: %s', async (_family, kind, family, adapter) => {
    const options: FineTuneOptions = { strategy: gently(strategies.adapter()), adapter, ...common };
    expectAlike(`${family.name}, ${kind}`, await onBoth(family, options), 50);
  });

  test('pairs of a few examples', async () => {
    const bert = familyOf('bert');
    const { items } = tinySamples(bert);
    const embedded: number[][] = [];
    for (const engine of engines) {
      const base = await tinyBase(bert, runtime, 3, { engine });
      const { model } = await fewShot(base as never, tinySamples(bert) as never, { progress: false });
      embedded.push([...(await model.embed(items.map(({ input }) => input) as never)).values]);
      model.dispose();
      base.dispose();
    }
    expect(Math.max(...embedded[0]!.map((value, index) => Math.abs(value - embedded[1]![index]!)))).toBeLessThan(tolerance);
  });
});

/** The whole network from the first step on. */
const plain = { ...common, unfreeze: 'all', headEpochs: 0, epochs: 25, learningRate: { head: 1e-3, base: 1e-5 } } as const;

interface Choice {
  readonly family: string;
  readonly options: FineTuneOptions;
  readonly dropout?: number;
}

/** Rates at which an optimiser moves weights about as far as AdamW does. */
const rateOf = (name: string) => ({ sgd: 1e-3, lion: 1e-5, adafactor: 1e-4 })[name] ?? 1e-4;

const choices: Readonly<Record<string, Choice>> = {
  ...Object.fromEntries(
    optimizerNames
      .filter((name) => name !== 'adamw')
      .map((name) => [`the optimiser ${name}`, { family: 'bert', options: { optimizer: name, learningRate: rateOf(name) } }]),
  ),
  'SGD with momentum': {
    family: 'mobilenet-v2',
    options: { optimizer: { name: 'sgd', momentum: 0.8, nesterov: true } },
  },
  ...Object.fromEntries(
    (['constant', 'linear', 'one-cycle'] as const).map((schedule) => [
      `the schedule ${schedule}`,
      { family: 'bert', options: { schedule } },
    ]),
  ),
  'gradients of three batches': { family: 'mobilenet-v2', options: { accumulate: 3 } },
  'no clipping': { family: 'bert', options: { gradientClip: 0 } },
  'much clipping': { family: 'bert', options: { gradientClip: 0.01, optimizer: 'sgd', learningRate: 1e-2 } },
  'weight decay': { family: 'bert', options: { weightDecay: 10 } },
  'a moving average': { family: 'bert', options: { ema: 0.9, validation: 0.25, batchSize: 3 } },
  'the mean of the best epochs': { family: 'mobilenet-v2', options: { averageBest: 3 } },
  mixup: { family: 'mobilenet-v2', options: { mix: { mixup: 0.4 } } },
  cutmix: { family: 'mobilenet-v2', options: { mix: { cutmix: 1 } } },
  'sharp labels': { family: 'bert', options: { labelSmoothing: 0 } },
  'a focal loss': { family: 'bert', options: { focalGamma: 2 } },
  'dropout in the head': { family: 'mobilenet-v2', options: {}, dropout: 0.4 },
  'statistics of the batch': { family: 'mobilenet-v2', options: { normalization: 'batch' } },
  'weights of classes': { family: 'bert', options: { classWeights: { even: 0.2, odd: 1.8 } } },
  'augmented photos': { family: 'mobilenet-v2', options: { augment: imageAugmentation() } },
  'augmented texts': { family: 'bert', options: { augment: textAugmentation({ dropTokens: 0.3 }) } },
};

withOnnxRuntime('an option', () => {
  const without = new Map<string, Promise<readonly [Trial, Trial]>>();
  const plainly = (family: string): Promise<readonly [Trial, Trial]> => {
    if (!without.has(family)) without.set(family, onBoth(familyOf(family), plain));
    return without.get(family)!;
  };

  test.each(Object.entries(choices))('%s', async (name, { family, options, dropout }) => {
    const trials = await onBoth(familyOf(family), { ...plain, ...options }, dropout);
    const far = expectAlike(name, trials, 50);
    const changed = distance((await plainly(family))[0], trials[0]);
    expect(Math.max(changed.loss / far.loss, changed.weight / far.weight), `what ${name} changes`).toBeGreaterThan(3); // nobody ignores it
  });

  test('validation', async () => {
    const [onnx, eager] = await onBoth(familyOf('bert'), { ...plain, epochs: 3, validation: tinySamples(familyOf('bert')) as never });
    const figures = ({ history }: Trial): number[] => history.epochs.flatMap(({ validation }) => Object.values(validation!));
    expect(figures(onnx)).toHaveLength(6);
    expect(figures(onnx)).toEqual(figures(eager).map((figure) => expect.closeTo(figure, 5) as number));
  });
});

/** A head of the test's own: the first of some texts shall be near to all others. */
function nearHead(branches: number): AnyHead {
  const build = ({ shapes }: HeadBuildContext) => {
    const [first, ...others] = Array.from({ length: branches }, (_, index) => input({ shape: [...shapes[index]!], name: `text${index}` }));
    const cosines = others.map((other, index) => layers.dot({ axes: -1, normalize: true, name: `cosine${index}` }).apply([first!, other]));
    const nearness = layers.multiply({ name: 'nearness' }).apply(cosines as SymbolicTensor[]) as SymbolicTensor;
    return layersModel({ inputs: [first!, ...others], outputs: nearness, name: 'near' });
  };
  return {
    ...contrastive(),
    name: 'near',
    branches,
    build,
    loss: ([nearness], [target]) => tf.squaredDifference(tf.reshape(nearness!, [-1]), target!),
  } as AnyHead;
}

const { labelSmoothing: _smoothing, ...withoutLabels } = plain;

withOnnxRuntime('a head of many texts', () => {
  test.each([
    [3, 'in one graph for all their lengths', false],
    [5, 'in a graph for each batch, for there are too many lengths', true],
  ])('%i learns alike %s', async (branches, _how, isEach) => {
    const bert = familyOf('bert');
    const texts = tinySamples(bert).items.map((item) => item.input);
    const items = texts.map((_, first) => ({
      id: String(first),
      input: Array.from({ length: branches }, (_unused, index) => texts[(first + index) % texts.length]!),
      target: 1,
    }));
    const data = createDataset({ modality: 'text', items: items as never, origin: 'texts' });
    const trials: Trial[] = [];
    const counted = countedRuntime();
    for (const engine of engines) {
      const base = await tinyBase(bert, runtime, 3, engine === 'onnx' ? { engine, onnxRuntime: counted.onnxRuntime } : { engine });
      using trained = addHead(base, nearHead(branches) as never) as unknown as AnyModel;
      trials.push(await train(trained, { ...withoutLabels, epochs: 2 }, data as never));
      expect(trained.base.parts.engine.notes).toEqual([]);
    }
    expectAlike(`${branches} texts`, trials as [Trial, Trial], 4);
    expect(counted.made.filter(({ name }) => name === 'training step').length > 1).toBe(isEach);
  });
});
