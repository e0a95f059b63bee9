/** What a compiled training leaves behind, whom it disturbs, and what it does where it cannot be compiled. */
import * as tf from '@tensorflow/tfjs-core';
import { layers, model as tfModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { loadModel, lora, TrainingControl, type FineTuneOptions, type TrainingEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { expectFailure, expectNoLeaks, tinySamples } from 'transferkit/testing';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { runtime } from '../../src/runtimes/node.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { countedRuntime, type CountedRuntime } from './counted-runtime.js';
import { distance, modelOn, numbersOf, train, type EngineUnderTest, type Trial } from './train-on-both.js';
import { withOnnxRuntime } from './with-onnx-runtime.js';

await runtime.chooseBackend('wasm');

const text = bert as unknown as AnyBackbone;
const image = mobilenetV2 as unknown as AnyBackbone;

const options = {
  unfreeze: 'all',
  headEpochs: 1,
  epochs: 2,
  batchSize: 3,
  learningRate: { head: 1e-3, base: 1e-4 },
} as const satisfies FineTuneOptions;

/** Everything that keeps something. */
const rich = { ...options, validation: 0.25, ema: 0.9, averageBest: 2, accumulate: 2 } as const;
const { unfreeze: _unfreeze, learningRate: _rates, ...adapted } = rich;

const soon = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 20));
const compiledOn = (family: AnyBackbone, { onnxRuntime }: CountedRuntime, dropout = 0): Promise<AnyModel> =>
  modelOn(family, { engine: 'onnx', onnxRuntime }, dropout);

/** Whatever a training compiled is closed, and its tensors are nobody's; the networks stay for the next prediction. */
async function expectNothingLeft(counted: CountedRuntime): Promise<void> {
  await soon();
  expect(new Set(counted.open())).toEqual(new Set(['network']));
  expect(await counted.tensors()).toBe(0);
}

const atStep =
  (wanted: number, act: () => void) =>
  ({ type }: TrainingEvent): void => {
    if (type === 'step' && --wanted === 0) act();
  };

withOnnxRuntime('a compiled training leaves nothing behind', () => {
  /** How trainings end, and with what error. */
  const endings: readonly [string, (model: AnyModel) => Promise<unknown>][] = [
    ['ran to its end', (model) => train(model, rich)],
    ['had an adapter', (model) => train(model, { ...adapted, adapter: lora({ rank: 2, dropout: 0.1 }) })],
    ['was aborted', async (model) => {
      const control = new TrainingControl();
      const { history } = await train(model, { ...rich, control, onEvent: atStep(6, () => control.abort()) });
      expect(history.ended).toBe('aborted');
    }],
    ['diverged', (model) => expectFailure(() => train(model, { ...rich, optimizer: 'sgd', learningRate: 1e30 }), 'diverged', 'the loss became')],
    ['had a listener that failed', async (model) => {
      const fail = (): never => {
        throw new Error('nobody listens');
      };
      const failed = train(model, { ...rich, onEvent: atStep(6, fail) });
      // the stack is read: until then an error holds on to all that its calls had
      expect(await failed.catch((error: unknown) => (error as Error).stack)).toContain('nobody listens');
    }],
  ]; // prettier-ignore

  test.each(endings)('that %s', async (_how, end) => {
    await expectNoLeaks(async () => {
      const counted = countedRuntime();
      const model = await compiledOn(text, counted, 0.1);
      await end(model);
      await expectNothingLeft(counted);
      expect([...(await numbersOf(model)).values()].every((values) => values.every(Number.isFinite))).toBe(true);
      await train(model, { strategy: 'head', epochs: 1, batchSize: 3 }); // nothing is broken
      await expectNothingLeft(counted);
      model.dispose();
      await soon();
      expect(counted.open()).toEqual([]);
    });
  });

  test('after twenty of them', async () => {
    const counted = countedRuntime();
    using model = await compiledOn(text, counted);
    await train(model, options);
    const before = tf.memory();
    const open = counted.open().length;
    for (let run = 0; run < 20; run++) await train(model, { unfreeze: 'none', epochs: 1, batchSize: 8 });
    await soon();
    expect([tf.memory().numTensors, tf.memory().numBytes, counted.open().length]).toEqual([before.numTensors, before.numBytes, open]);
  });
});

withOnnxRuntime('a training is compiled', () => {
  const countOf = ({ made }: CountedRuntime, wanted: string): number => made.filter(({ name }) => name === wanted).length;

  test.each([
    ['texts of other lengths and a smaller last batch', text],
    ['photos and a smaller last batch', image],
  ])('once for each phase: %s', async (_what, family) => {
    const counted = countedRuntime();
    using model = await compiledOn(family, counted, 0.1);
    const { losses } = await train(model, { ...options, epochs: 3, validation: tinySamples(family) as never });
    expect(losses).toHaveLength(12); // batches of 3, 3 and 2
    expect([countOf(counted, 'training step'), countOf(counted, 'validation')]).toEqual([2, 2]);
  });

  test.each([
    ['texts', text],
    ['photos', image],
  ])('to the same bytes each time: %s', async (_what, family) => {
    const models: Uint8Array[][] = [];
    for (let run = 0; run < 2; run++) {
      const counted = countedRuntime();
      using model = await compiledOn(family, counted, 0.1);
      await train(model, rich);
      models.push(counted.made.filter(({ name }) => name !== 'network').map((made) => made.model));
    }
    expect(models[0]!.length).toBeGreaterThanOrEqual(8); // two phases: gathering, moving, average and validation
    expect(models[1]!.map((model) => Buffer.from(model).toString('base64'))).toEqual(
      models[0]!.map((model) => Buffer.from(model).toString('base64')),
    );
  });
});

withOnnxRuntime('trainings at once', () => {
  test('on two bases do not disturb each other, whatever computes them', async () => {
    const one = async (engine: EngineUnderTest, seed: number): Promise<Trial> => {
      using model = await modelOn(text, { engine }, 0.1);
      return await train(model, { ...rich, seed });
    };
    const requests = [
      ['onnx', 1],
      ['onnx', 2],
      ['eager', 1],
    ] as const;
    const alone: Trial[] = [];
    for (const [engine, seed] of requests) alone.push(await one(engine, seed));
    const together = await Promise.all(requests.map(([engine, seed]) => one(engine, seed)));
    expect(together.map(({ weights }) => weights)).toEqual(alone.map(({ weights }) => weights));
    expect(alone[0]!.weights).not.toEqual(alone[1]!.weights);
  });

  test('on one base are refused, and the first goes on', async () => {
    const counted = countedRuntime();
    using model = await compiledOn(text, counted);
    const first = train(model, options);
    await expectFailure(() => train(model, options), 'bad-option', 'this model is being trained already');
    expect((await first).history.ended).toBe('completed');
    await expectNothingLeft(counted);
  });
});

describe('who looks at a model while it is trained', () => {
  const inputs = tinySamples(text).items.map(({ input }) => input);

  /** What a model would be saved as, read at once. */
  const copyOf = (model: AnyModel): Map<string, Float32Array> =>
    new Map([...model.weights()].map(([name, weight]) => [name, Float32Array.from(weight.read().dataSync())]));

  withOnnxRuntime.each(['onnx', 'eager'] as const)('with the engine %s', (engine) => {
    test('sees the newest weights, and changes nothing by it', async () => {
      using model = await modelOn(text, { engine }, 0.1);
      const seen: Map<string, Float32Array>[] = [];
      const predicted: Promise<unknown>[] = [];
      const onEvent = ({ type }: TrainingEvent): void => {
        if (type !== 'step') return;
        seen.push(copyOf(model));
        predicted.push(model.predict(inputs as never));
      };
      const start = (await model.predict(inputs as never)) as unknown;
      const trial = await train(model, { ...options, ema: 0.9, onEvent });
      const kernels = seen.map((weights) => [...weights.get('head/logits/kernel')!].join());
      expect(new Set(kernels).size).toBe(seen.length);
      const predictions = [start, ...(await Promise.all(predicted))].map((prediction) => JSON.stringify(prediction));
      expect(predictions[1]).not.toBe(predictions[0]);
      expect(new Set(predictions).size).toBeGreaterThan(3); // two of them may meet at one step
      using unseen = await modelOn(text, { engine }, 0.1);
      expect((await train(unseen, { ...options, ema: 0.9 })).weights).toEqual(trial.weights);
    });

    test('sees what the other engine shows', async () => {
      const seen: Record<string, number[]> = {};
      for (const name of [engine, engine === 'onnx' ? 'eager' : 'onnx'] as const) {
        using model = await modelOn(text, { engine: name });
        seen[name] = [];
        await train(model, {
          ...options,
          onEvent: ({ type }) => type === 'step' && seen[name]!.push(...copyOf(model).get('head/logits/kernel')!),
        });
      }
      expect(seen['onnx']!.length).toBeGreaterThan(100);
      expect(seen['onnx']).toEqual(seen['eager']!.map((number) => expect.closeTo(number, 5) as number));
    });

    test('saves a model of one moment', async () => {
      const folder = mkdtempSync(join(tmpdir(), 'transferkit-engines-'));
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
      using model = await modelOn(text, { engine });
      const seen: Map<string, Float32Array>[] = [];
      const saved: Promise<void>[] = [];
      const onEvent = ({ type }: TrainingEvent): void => {
        if (type === 'step' || type === 'epoch') seen.push(copyOf(model));
        if (type === 'epoch') saved.push(model.save(join(folder, String(saved.length))));
      };
      await train(model, { ...options, epochs: 4, onEvent });
      await Promise.all(saved);
      for (const index of saved.keys()) {
        using copy = await loadModel(join(folder, String(index)), { engine });
        expect(seen).toContainEqual(copyOf(copy as unknown as AnyModel));
      }
      expect(saved).toHaveLength(5);
    });
  });
});

/** A layer that looks at numbers, which no graph can hold. */
class Looking extends layers.Layer {
  static className = 'TrainingLooking';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    const x = Array.isArray(inputs) ? inputs[0]! : inputs;
    return tf.mul(x, Number.isFinite(x.dataSync()[0]) ? 1 : 0);
  }
}

/** A layer with an operation that graphs do not know. */
class Turning extends layers.Layer {
  static className = 'TrainingTurning';
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.atan2(Array.isArray(inputs) ? inputs[0]! : inputs, tf.scalar(1));
  }
}

/** A family with a layer of the test's own behind its features. */
const withLayer = (layer: new (options: { name: string }) => layers.Layer, name: string): AnyBackbone => ({
  ...image,
  name,
  build: (config) => {
    const built = image.build(config);
    const pooled = new layer({ name }).apply(built.features.pooled) as SymbolicTensor;
    return { ...built, model: tfModel({ inputs: built.model.inputs, outputs: pooled }), features: { ...built.features, pooled } };
  },
});

withOnnxRuntime('a step that no graph can hold', () => {
  test.each([
    ['looks at numbers', withLayer(Looking, 'looking'), 'a function that looks at the numbers of its tensors'],
    ['has an operation that graphs lack', withLayer(Turning, 'turning'), 'the operation "Atan2"'],
  ])('because it %s is computed by tfjs, and a warning says so once', async (_why, family, reason) => {
    const counted = countedRuntime();
    using model = await compiledOn(family, counted);
    const settings = { ...options, validation: 0.25, headEpochs: 0, epochs: 4, learningRate: 1e-5 } as const;
    const trial = await train(model, settings);
    const warned = ({ events }: Trial): string[] => events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    expect(warned(trial).map((message) => message.split(':')[0])).toEqual([
      '"training step" is computed by tfjs',
      '"validation" is computed by tfjs',
    ]);
    for (const message of warned(trial)) expect(message).toContain(reason);
    expect(trial.events.at(-1)?.type).toBe('end');
    for (const message of warned(trial)) expect(model.base.describe()).toContain(message);
    using eager = await modelOn(family, { engine: 'eager' });
    const far = distance(trial, await train(eager, settings));
    expect(far.steps).toBe(8);
    expect(Math.max(far.loss, far.weight)).toBeLessThan(1e-5);
    expect(warned(await train(model, settings))).toEqual([]);
    expect(counted.made.map(({ name }) => name).filter((name) => name !== 'network')).toEqual([]);
  });
});
