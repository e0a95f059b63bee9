import * as tf from '@tensorflow/tfjs-core';
import { addHead, classification, evaluate, fineTune, type Runtime } from '../../src/index.js';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { bert } from '../../src/backbones/bert.js';
import { mobilenetV2 } from '../../src/backbones/mobilenet-v2.js';
import type { EngineOptions } from '../../src/engines/choose-engine.js';
import { createLocalExtractor } from '../../src/feature-cache/local-extractor.js';
import { check, type ConformanceCase } from '../../src/testing/conformance.js';
import { expectNoLeaks } from '../../src/testing/expect-no-leaks.js';
import { tinyBase, tinySamples } from '../../src/testing/tiny-model.js';
import type { AnyModel } from '../../src/training/weight-set.js';

const families = { mobilenetV2, bert } as unknown as Readonly<Record<'mobilenetV2' | 'bert', AnyBackbone>>;

/** Names of what the page has fetched that belongs to onnxruntime-web. */
export const fetchedOfOrt = (): string[] =>
  performance
    .getEntriesByType('resource')
    .map(({ name }) => new URL(name).pathname.replace(/^.*\//, ''))
    .filter((name) => name.startsWith('ort'));

const modelOn = async (family: AnyBackbone, runtime: Runtime, engine: EngineOptions): Promise<AnyModel> =>
  addHead(await tinyBase(family, runtime, 3, engine), classification(['even', 'odd'], { dropout: 0.2 }), { seed: 5 }) as AnyModel;

/** What a model computes, by what computed it. */
type Numbers = Readonly<Record<string, ArrayLike<number>>>;

/** Predictions, embeddings, a report, and features at a border in the middle of the network. */
async function computed(model: AnyModel, family: AnyBackbone): Promise<Numbers> {
  const data = tinySamples(family);
  const inputs = data.items.map(({ input }) => input) as never[];
  const predictions = (await model.predict(inputs)) as unknown as { scores: Record<string, number> }[];
  const { metrics } = await evaluate(model, data as never);
  const extractor = createLocalExtractor(model, 1);
  const examples = await extractor.extract(data.items.map((item) => ({ item }) as never));
  return {
    predictions: predictions.flatMap(({ scores }) => Object.values(scores)),
    embeddings: (await model.embed(inputs)).values,
    metrics: Object.values(metrics) as number[],
    features: examples.flatMap((example) => {
      if ('error' in example) throw example.error;
      return example.branches.flatMap((arrays) => arrays.flatMap(({ values }) => Array.from(values as Float32Array)));
    }),
  };
}

/** Trains everything, with dropout: losses of the epochs, and what the model computes afterwards. */
async function trained(model: AnyModel, family: AnyBackbone, epochs: number): Promise<Numbers> {
  const { history } = await fineTune(
    model,
    tinySamples(family) as never,
    {
      unfreeze: 'all',
      headEpochs: 0,
      epochs,
      batchSize: 3,
      learningRate: { head: 1e-3, base: 1e-5 },
      labelSmoothing: 0.1,
      validation: 0,
    } as never,
  );
  return { losses: history.epochs.map(({ loss }) => loss), ...(await computed(model, family)) };
}

/** Fails where two results differ by more than a hundred-thousandth of the largest number of their kind. */
function expectClose(received: Numbers, expected: Numbers, place: string): void {
  for (const [name, numbers] of Object.entries(expected)) {
    const values = Array.from(numbers);
    const others = Array.from(received[name]!);
    const largest = Math.max(...values.map(Math.abs));
    const apart = Math.max(...values.map((value, index) => Math.abs(value - others[index]!)));
    check(values.length === others.length && apart / largest <= 1e-5, `${name} ${place} differ by ${apart / largest} of ${largest}`);
  }
}

/** How an engine's numbers are compared with tfjs's. */
export interface Comparison {
  /** What tfjs would compute on meanwhile. */
  readonly backend: string;
  readonly family: keyof typeof families;
  /** How long it is trained; not at all by default. */
  readonly epochs?: number;
  /** Must stand in what the base says of its engine. */
  readonly words: readonly string[];
}

async function compare(runtime: Runtime, { backend, family: name, epochs = 0, words }: Comparison): Promise<void> {
  const family = families[name];
  const results: Numbers[][] = [];
  for (const options of [{ engine: 'onnx' }, { engine: 'eager' }] as const) {
    const active = options.engine === 'onnx' ? backend : 'wasm'; // a graphics card in software is slow
    await runtime.chooseBackend(active);
    await expectNoLeaks(async () => {
      using model = await modelOn(family, runtime, options);
      const { base } = model;
      check(base.engine.name === options.engine, base.describe());
      if (options.engine === 'onnx') for (const piece of words) check(base.describe().includes(piece), base.describe());
      results.push([await computed(model, family), ...(epochs === 0 ? [] : [await trained(model, family, epochs)])]);
      check(base.parts.engine.notes.length === 0, base.parts.engine.notes.join());
      check(tf.getBackend() === active, tf.getBackend());
      base.dispose();
    });
  }
  const [onnx, eager] = results;
  for (const [index, numbers] of eager!.entries()) expectClose(onnx![index]!, numbers, index === 0 ? 'before training' : 'after training');
}

/** One case for each comparison. */
export const engineCases = (runtime: Runtime, comparisons: readonly Comparison[]): ConformanceCase[] =>
  comparisons.map((comparison) => ({
    name: `${comparison.family} ${comparison.epochs === undefined ? 'computes' : 'computes and learns'} on ONNX Runtime beside ${comparison.backend} as on tfjs, without a leak`,
    run: () => compare(runtime, comparison),
  }));
