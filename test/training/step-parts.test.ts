import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { addHead, classification, fineTune, findLearningRate, runtime, TrainingControl, type TrainingEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { expectFailure, expectNoLeaks, tinyModel, tinySamples } from 'transferkit/testing';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { createRandom } from '../../src/common/random.js';
import type { BackendMemory, MemoryUse, Runtime } from '../../src/runtimes/runtime.js';
import type { StoredExample } from '../../src/training/feature-store.js';
import { Optimizer } from '../../src/training/optimizer.js';
import { fullMemory, StepParts } from '../../src/training/step-parts.js';
import { StepFunction, type StepOptions } from '../../src/training/step.js';
import { changingWeights, learningWeights, type AnyModel } from '../../src/training/weight-set.js';
import { untrainedBase } from '../../src/untrained-base.js';

beforeAll(() => runtime.chooseBackend('wasm'));

/** What divides batches: other engines have no such limit. */
const eager = { engine: 'eager' } as const;

/** The runtime, with a backend whose memory ends earlier. */
const limitedTo = (limit: number): Runtime => ({ ...runtime, memory: () => ({ ...runtime.memory!()!, limit }) });
const unlimited: Runtime = { ...runtime, memory: () => undefined };

/** A memory in which a computation takes so many bytes, and what was computed. */
function countingMemory(
  limit: number,
  bytes: (examples: number) => MemoryUse,
): { memory: BackendMemory; tried: number[]; run: (n: number) => void } {
  const tried: number[] = [];
  const memory: BackendMemory = {
    limit,
    watch(work) {
      work();
      return bytes(tried.at(-1)!);
    },
    explain: (error) => error,
  };
  return { memory, tried, run: (examples) => void tried.push(examples) };
}

/** A batch of one float32 tensor, which takes 4 bytes a number itself. */
const batchOf = (count: number, length: number): tf.Tensor[] => [tf.zeros([count, length])];

describe('the division of a batch', () => {
  beforeAll(() => tf.engine().startScope());
  afterAll(() => tf.engine().endScope());

  test('is in even parts that fit, one behind the other', () => {
    // Of 60 % of 2000 bytes 400 are kept and 80 are the batch: 720 for 200 and 100 an example make 5 at once.
    const { memory, run } = countingMemory(2000, (count) => ({ peak: 200 + 100 * count, last: 0 }));
    const parts = new StepParts(memory, 400).cut(batchOf(20, 1), run);
    expect(parts.map(({ start, end }) => end - start)).toEqual([5, 5, 5, 5]);
    expect(parts.map(({ start }) => start)).toEqual([0, 5, 10, 15]);
    const uneven = new StepParts(memory, 400).cut(batchOf(11, 1), run);
    expect(uneven).toEqual([
      { start: 0, end: 3 },
      { start: 3, end: 7 },
      { start: 7, end: 11 },
    ]);
  });

  test('goes by what examples take at the end, where weights make the peak of few of them', () => {
    const { memory, run } = countingMemory(2000, (count) => ({ peak: 500 + count, last: 100 * count }));
    expect(new StepParts(memory, 0).cut(batchOf(20, 1), run)).toHaveLength(3);
  });

  test('is none where all fits, where memory has no limit, and for a single example', () => {
    const { memory, tried, run } = countingMemory(1e6, (count) => ({ peak: 100 * count, last: 100 * count }));
    expect(new StepParts(memory, 0).cut(batchOf(20, 1), run)).toEqual([{ start: 0, end: 20 }]);
    expect(tried).toEqual([1, 2]);
    expect(new StepParts(undefined, 0).cut(batchOf(20, 1), run)).toEqual([{ start: 0, end: 20 }]);
    expect(new StepParts(memory, 2e6).cut(batchOf(1, 1), run)).toEqual([{ start: 0, end: 1 }]);
    expect(tried).toEqual([1, 2]);
    const nothing = countingMemory(1e6, () => ({ peak: 0, last: 0 }));
    expect(new StepParts(nothing.memory, 0).cut(batchOf(3, 1), nothing.run)).toHaveLength(1);
  });

  test('tries each size once, and none that is smaller than one that fits', () => {
    const { memory, tried, run } = countingMemory(5000, (count) => ({ peak: 100 * count, last: 100 * count }));
    const parts = new StepParts(memory, 0);
    expect(parts.cut(batchOf(20, 8), run)).toHaveLength(1);
    expect(parts.cut(batchOf(20, 7), run)).toHaveLength(1);
    expect(tried).toEqual([1, 2]);
    expect(parts.cut(batchOf(40, 7), run)).toHaveLength(3);
    expect(parts.cut(batchOf(40, 7), run)).toHaveLength(3);
    expect(tried).toEqual([1, 2, 1, 2]);
  });

  test('of a batch is the same whatever came before', () => {
    const sizes = [8, 3, 12, 5, 12, 3, 9, 1, 7];
    const divide = (order: readonly number[]): Map<number, number> => {
      let length = 0;
      const { memory, run } = countingMemory(50_000, (count) => ({ peak: count * length ** 2 * 20, last: 0 }));
      const parts = new StepParts(memory, 100);
      return new Map(order.map((size) => [(length = size), parts.cut(batchOf(24, size), run).length]));
    };
    const forwards = divide(sizes);
    const backwards = divide([...sizes].reverse());
    for (const size of sizes) expect(backwards.get(size)).toBe(forwards.get(size));
    expect([...new Set(forwards.values())].length).toBeGreaterThan(2);
  });

  test('ends with words where one example alone is too large', async () => {
    const { memory, run } = countingMemory(4 * 2 ** 20, (count) => ({ peak: count * 5 * 2 ** 20, last: 0 }));
    const parts = new StepParts(memory, 2 ** 20);
    const error = await expectFailure(
      () => parts.cut(batchOf(2, 512), run),
      'out-of-memory',
      'one example of [512]',
      'Needed: 5 MiB',
      'Available beside the weights: 3 MiB',
      'maxLength',
    );
    expect(error.details).toEqual({ shape: [512], needed: 5 * 2 ** 20, available: 3 * 2 ** 20 - 4096 });
    // Above what is planned with and below the limit, one is tried at a time.
    const close = countingMemory(4 * 2 ** 20, (count) => ({ peak: count * 3.5 * 2 ** 20, last: 0 }));
    expect(new StepParts(close.memory, 0).cut(batchOf(3, 512), close.run)).toHaveLength(3);
  });

  test('an error that is none of memory stays as it is', () => {
    const error = new Error('something else');
    expect(fullMemory(error, batchOf(2, 3))).toBe(error);
  });
});

/** A tiny family without dropout, so that parts draw nothing. */
const families: readonly (readonly [string, AnyBackbone])[] = [
  ['bert', { ...bert, tiny: { ...bert.tiny, config: { ...bert.tiny.config, attentionDropout: 0 } } } as AnyBackbone],
  ['mobilenet-v2', mobilenetV2 as AnyBackbone],
];

interface Trial {
  readonly model: AnyModel;
  readonly stored: readonly StoredExample[];
  readonly weights: readonly number[];
}

/** A tiny model that learns as a whole, and its samples as stored examples. */
async function trial(family: AnyBackbone, on: Runtime, normalization: 'inference' | 'batch' = 'inference'): Promise<Trial> {
  const model = await tinyModel(family, on, eager);
  model.base.freeze = { learns: model.base.groups.map(() => true), normalization };
  const { processor } = model.base.parts;
  const { items } = tinySamples(family) as unknown as { items: readonly { input: unknown; target: string }[] };
  const stored = await Promise.all(
    items.map(async ({ input, target }) => {
      const { arrays } = await processor.encode(input as never);
      return { branches: [arrays], target: model.head.encode(target, []) };
    }),
  );
  stored.sort((a, b) => a.branches[0]![0]!.values.length - b.branches[0]![0]!.values.length);
  return { model, stored, weights: stored.map((_, index) => 0.5 + index / 4) };
}

interface Step {
  readonly loss: number;
  readonly metrics: readonly number[];
  readonly parts: number;
  readonly gradients: ReadonlyMap<string, Float32Array>;
}

/** The gradients that one step hands to the optimiser. */
async function stepOf({ model, stored, weights }: Trial, options: Partial<StepOptions> = {}): Promise<Step> {
  const step = new StepFunction(model, { firstGroup: 0, loss: {}, mix: null, adapter: false, keptCopies: 0, ...options });
  const learning = learningWeights(model, { learns: model.base.freeze.learns, adapter: false });
  const gradients = new Map<string, Float32Array>();
  const apply = (found: ReadonlyMap<tf.Variable, tf.Tensor>): boolean => {
    for (const { name, variable } of learning) gradients.set(name, found.get(variable)!.dataSync() as Float32Array);
    return true;
  };
  const optimizer = { weights: learning, apply } as unknown as Optimizer;
  const figures = await step.train(stored, weights, { optimizer, rates: { rates: [], decay: 0 }, random: createRandom(7) });
  return { ...figures, gradients };
}

function expectEqual(parted: Step, whole: Step): void {
  expect(parted.loss).toBeCloseTo(whole.loss, 5);
  parted.metrics.forEach((metric, index) => expect(metric).toBeCloseTo(whole.metrics[index]!, 6));
  expect(whole.gradients.size).toBeGreaterThan(5);
  for (const [name, gradient] of whole.gradients) {
    const other = parted.gradients.get(name)!;
    const largest = Math.max(...gradient.map(Math.abs), 1);
    const difference = Math.max(...gradient.map((value, index) => Math.abs(value - other[index]!)));
    expect(difference / largest, name).toBeLessThan(1e-6);
  }
}

/** A limit at which a step of eight examples is cut. */
const tight: Readonly<Record<string, number>> = { bert: 1.25e6, 'mobilenet-v2': 3.75e6 };

describe.each(families)('a step of %s', (name, family) => {
  test('in parts gives the gradient and the figures of the whole', async () => {
    const whole = await trial(family, unlimited);
    const parted = await trial(family, limitedTo(tight[name]!));
    const [expected, found] = [await stepOf(whole), await stepOf(parted)];
    expect(expected.parts).toBe(1);
    expect(found.parts).toBeGreaterThan(1);
    expect(found.parts).toBeLessThan(8);
    expectEqual(found, expected);
    whole.model.dispose();
    parted.model.dispose();
  });

  test('and its evaluation leave nothing behind, and give the same again', async () => {
    const parted = await trial(family, limitedTo(tight[name]!));
    const step = new StepFunction(parted.model, { firstGroup: 0, loss: {}, mix: null, adapter: false, keptCopies: 0 });
    const first = await expectNoLeaks(() => stepOf(parted));
    expect(await stepOf(parted)).toEqual(first);
    const judged = await expectNoLeaks(() => step.evaluate(parted.stored, parted.weights));
    const whole = await trial(family, unlimited);
    const reference = await new StepFunction(whole.model, { firstGroup: 0, loss: {}, mix: null, adapter: false }).evaluate(
      whole.stored,
      whole.weights,
    );
    expect(judged.loss).toBeCloseTo(reference.loss, 5);
    whole.model.dispose();
    parted.model.dispose();
  });
});

describe('what a step leaves as it was', () => {
  const weightsOf = (model: AnyModel): Map<string, Float32Array> =>
    new Map(
      changingWeights(model, { learns: model.base.freeze.learns, adapter: false }).map(({ name, variable }) => [
        name,
        variable.dataSync() as Float32Array,
      ]),
    );

  test('mixing is done on the whole batch', async () => {
    const whole = await trial(mobilenetV2 as AnyBackbone, unlimited);
    const parted = await trial(mobilenetV2 as AnyBackbone, limitedTo(tight['mobilenet-v2']!));
    const mix = { mixup: 0.4, cutmix: 1 };
    const found = await stepOf(parted, { mix });
    expect(found.parts).toBeGreaterThan(1);
    expectEqual(found, await stepOf(whole, { mix }));
    const plain = await stepOf(whole);
    expect(Math.abs(plain.loss - found.loss)).toBeGreaterThan(1e-3);
    whole.model.dispose();
    parted.model.dispose();
  });

  test('statistics of normalisation do not move while memory is looked at', async () => {
    const runs = await Promise.all([unlimited, runtime].map((on) => trial(mobilenetV2 as AnyBackbone, on, 'batch')));
    const steps = await Promise.all(runs.map((run) => stepOf(run)));
    expect(steps.map(({ parts }) => parts)).toEqual([1, 1]);
    expect(steps[1]!.loss).toBe(steps[0]!.loss);
    const [left, right] = runs.map(({ model }) => weightsOf(model));
    expect(right).toEqual(left);
    for (const { model } of runs) model.dispose();
  });

  test('weights, tensors and the backend, where memory gets full in the middle', async () => {
    const run = await trial(mobilenetV2 as AnyBackbone, runtime, 'batch');
    const { model, stored, weights } = run;
    const before = weightsOf(model);
    const learning = learningWeights(model, { learns: model.base.freeze.learns, adapter: false });
    const fill = (): never => {
      learning[0]!.variable.assign(tf.onesLike(learning[0]!.variable));
      tf.fill([2 ** 31], 0);
      throw new Error('more than the memory was given');
    };
    const step = new StepFunction(model, { firstGroup: 0, loss: {}, mix: null, adapter: false });
    const update = { optimizer: { weights: learning, apply: fill } as unknown as Optimizer, rates: { rates: [], decay: 0 } };
    const failing = (): Promise<unknown> => step.train(stored, weights, { ...update, random: createRandom(7) });
    const error = await expectNoLeaks(() =>
      expectFailure(
        failing,
        'out-of-memory',
        'a batch of 8 examples',
        '[32, 32, 3]',
        'the memory of the wasm backend is full',
        'batchSize',
      ),
    );
    expect(error.details).toMatchObject({ examples: 8, needed: 2 ** 33 });
    expect(weightsOf(model)).toEqual(before);

    // In the middle of the forward computation there is a tape to be given back.
    const { loss } = model.head;
    Object.defineProperty(model, 'head', {
      value: { ...model.head, loss: (...values: Parameters<typeof loss>) => (fill(), loss(...values)) },
    });
    await expectNoLeaks(() => expectFailure(failing, 'out-of-memory', 'a batch of 8 examples'));
    expect(weightsOf(model)).toEqual(before);
    Object.defineProperty(model, 'head', { value: { ...model.head, loss } });
    expect(Number.isFinite((await stepOf(run)).loss)).toBe(true);
    model.dispose();
  });
});

describe('training in parts', () => {
  const settings = { headEpochs: 0, epochs: 2, batchSize: 8, unfreeze: 'all', validation: 0, seed: 3, cache: false } as const;

  async function train(on: Runtime): Promise<{ loss: number; warnings: string[] }> {
    const model = await tinyModel(mobilenetV2 as AnyBackbone, on, eager);
    const warnings: string[] = [];
    const onEvent = (event: { type: string; message?: string }): void => void (event.type === 'warning' && warnings.push(event.message!));
    const { history } = await fineTune(model as never, tinySamples(mobilenetV2 as AnyBackbone) as never, { ...settings, onEvent } as never);
    model.dispose();
    return { loss: history.epochs.at(-1)!.loss, warnings };
  }

  test('goes as training in one, and says so once', async () => {
    const whole = await train(unlimited);
    expect(whole.warnings).toEqual([]);
    const parted = await train(limitedTo(6.25e6));
    expect(parted.warnings).toHaveLength(1);
    expect(parted.warnings[0]).toMatch(/^phase "fine-tune": a batch of 8 examples does not fit .* computed in \d parts/);
    expect(parted.loss).toBeCloseTo(whole.loss, 4);
  });

  test('a run that is cut off continues to the same end, to the bit', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'transferkit-parts-'));
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
    const run = async (more: object = {}): Promise<{ weights: number[]; warnings: number }> => {
      const model = await tinyModel(bert as AnyBackbone, limitedTo(8e5), eager);
      let warnings = 0;
      const onEvent = ({ type }: TrainingEvent): void => void (type === 'warning' && warnings++);
      const options = { ...settings, epochs: 3, batchSize: 4, progress: false, onEvent, ...more };
      await fineTune(model as never, tinySamples(bert as AnyBackbone) as never, options as never);
      const weights = [...model.weights().values()].flatMap((weight) => [...weight.read().dataSync()]);
      model.dispose();
      return { weights, warnings };
    };
    const expected = await run();
    expect(expected.warnings).toBe(1);
    const checkpoint = { directory: join(directory, 'run'), everySteps: 1 };
    const control = new TrainingControl();
    let steps = 0;
    await run({ checkpoint, control, onEvent: ({ type }: TrainingEvent) => void (type === 'step' && ++steps === 3 && control.abort()) });
    const continued = await run({ checkpoint });
    expect(steps).toBe(3);
    expect(continued).toEqual(expected);
  });

  test('an example that does not fit is named, by fineTune and by findLearningRate', async () => {
    for (const verb of [fineTune, findLearningRate]) {
      const model = await tinyModel(mobilenetV2 as AnyBackbone, limitedTo(1e5), eager);
      const options = verb === fineTune ? settings : { unfreeze: 'all', batchSize: 8, cache: false };
      const failing = (): Promise<unknown> =>
        (verb as (...values: unknown[]) => Promise<unknown>)(model, tinySamples(mobilenetV2 as AnyBackbone), options);
      await expectNoLeaks(() => expectFailure(failing, 'out-of-memory', 'one example of [32, 32, 3]', 'Needed: '));
      model.dispose();
    }
  });
});

describe('a network of usual size', () => {
  test('learns from 64 texts of 128 tokens in one step', { timeout: 300_000 }, async () => {
    const sizes = { vocabularySize: 30_522, hiddenSize: 384, layers: 6, heads: 12, intermediateSize: 1536, positions: 512, maxLength: 128 };
    const config = { ...bert.tiny.config, ...sizes, attentionDropout: 0, hiddenDropout: 0.1 };
    const base = await untrainedBase(bert, { ...bert.tiny, config, runtime, ...eager });
    const model = addHead(base, classification(['a', 'b'])) as unknown as AnyModel;
    base.freeze = { learns: base.groups.map(() => true), normalization: 'inference' };
    const stored = Array.from({ length: 64 }, (_, row) => ({
      branches: [[...Array(3).keys()].map((array) => ({ shape: [128], values: new Int32Array(128).fill(array === 1 ? 1 : row % 2) }))],
      target: model.head.encode(row % 2 === 0 ? 'a' : 'b', []),
    }));
    const weights = learningWeights(model, { learns: base.freeze.learns, adapter: false });
    const optimizer = new Optimizer(weights, { recipe: { name: 'adamw' }, gradientClip: 1, accumulate: 1 });
    const step = new StepFunction(model, { firstGroup: 0, loss: {}, mix: null, adapter: false });
    const update = { optimizer, rates: { rates: Array<number>(base.groups.length + 2).fill(1e-4), decay: 0.01 }, random: createRandom(1) };
    const figures = await step.train(stored, Array<number>(64).fill(1), update);
    expect(figures.parts).toBeGreaterThan(2);
    expect(figures.moved).toBe(true);
    expect(figures.loss / 64).toBeGreaterThan(0.1);
    expect(figures.loss / 64).toBeLessThan(3);
    optimizer.dispose();
    model.dispose();
  });
});
