/** What one engine began the other goes on with: a model that was saved, and a run that was cut off. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { loadModel, lora, TrainingControl, type FineTuneOptions, type TrainingEvent } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import type { AnyBackbone } from '../../src/backbones/backbone.js';
import { runtime } from '../../src/runtimes/node.js';
import type { AnyModel } from '../../src/training/weight-set.js';
import { bundleProgram, resultOf, start } from '../training/resume-killer.js';
import { distance, modelOn, train, type EngineUnderTest, type Trial } from './train-on-both.js';
import { withOnnxRuntime } from './with-onnx-runtime.js';

await runtime.chooseBackend('wasm');

const families = [bert, mobilenetV2] as readonly unknown[] as readonly AnyBackbone[];
const ways: readonly (readonly [EngineUnderTest, EngineUnderTest])[] = [
  ['onnx', 'eager'],
  ['eager', 'onnx'],
];
const each = families.flatMap((family) => ways.map(([from, to]) => [family.name, from, to, family] as const));

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'transferkit-engines-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const options = {
  unfreeze: 'all',
  headEpochs: 1,
  epochs: 4,
  batchSize: 3,
  learningRate: { head: 1e-3, base: 1e-5 },
  labelSmoothing: 0.1,
  ema: 0.9,
  accumulate: 2,
  averageBest: 2,
} as const satisfies FineTuneOptions;

/** A model as it stands, saved and loaded with an engine. */
async function loadedOn(model: AnyModel, engine: EngineUnderTest): Promise<AnyModel> {
  const folder = join(temporary(), 'model');
  await model.save(folder);
  return loadModel(folder, { engine });
}

/** Trains with one engine, saves, and trains on with another. */
async function handedOver(family: AnyBackbone, from: EngineUnderTest, to: EngineUnderTest): Promise<Trial> {
  using first = await modelOn(family, { engine: from }, 0.2);
  await train(first, options);
  using second = await loadedOn(first, to);
  expect(second.base.engine.name).toBe(to);
  return await train(second, { ...options, seed: 6 });
}

withOnnxRuntime('a model that was trained by one engine', () => {
  test.each(each)('of %s learns on from %s with %s as if nothing had changed', async (_name, from, to, family) => {
    const far = distance(await handedOver(family, from, to), await handedOver(family, from, from));
    expect(far.loss).toBeLessThan(1e-4);
    expect(far.weight).toBeLessThan(1e-4);
  });

  test.each(ways)('gives its adapter from %s to %s', async (from, to) => {
    using first = await modelOn(families[0]!, { engine: from });
    const adapted = { ...options, unfreeze: undefined, adapter: lora({ rank: 2, dropout: 0.2 }), learningRate: 1e-3 } as never;
    await train(first, adapted);
    const trials: Trial[] = [];
    for (const engine of [from, to]) {
      using model = await loadedOn(first, engine);
      trials.push(await train(model, adapted));
    }
    expect(distance(trials[0]!, trials[1]!).weight).toBeLessThan(1e-4);
  });
});

/** A run that is cut off after some steps. */
async function cutOff(family: AnyBackbone, engine: EngineUnderTest, directory: string, steps: number): Promise<void> {
  const control = new TrainingControl();
  let done = 0;
  const onEvent = ({ type }: TrainingEvent): void => void (type === 'step' && ++done === steps && control.abort());
  using model = await modelOn(family, { engine }, 0.2);
  const { history } = await train(model, { ...options, checkpoint: { directory, everySteps: 1 }, control, onEvent });
  expect(history.ended).toBe('aborted');
}

async function goneOn(family: AnyBackbone, engine: EngineUnderTest, directory: string): Promise<Trial> {
  using model = await modelOn(family, { engine }, 0.2);
  return await train(model, { ...options, checkpoint: { directory, everySteps: 1 } });
}

const wholes = new Map<string, Trial>();

/** The run that nobody cuts off. */
async function whole(family: AnyBackbone, engine: EngineUnderTest): Promise<Trial> {
  const key = `${family.name} ${engine}`;
  if (wholes.has(key)) return wholes.get(key)!;
  using model = await modelOn(family, { engine }, 0.2);
  const trial = await train(model, options);
  wholes.set(key, trial);
  return trial;
}

const warnings = ({ events }: Trial): string[] => events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
const seconds = expect.any(Number) as number;
const timeless = ({ history }: Trial) => history.epochs.map((epoch) => ({ ...epoch, seconds }));

withOnnxRuntime('a run that was cut off', () => {
  test.each(each)('of %s under %s goes on under %s, and says that the bits differ', async (_name, from, to, family) => {
    const directory = join(temporary(), 'run');
    await cutOff(family, from, directory, 8);
    const continued = await goneOn(family, to, directory);
    expect(continued.events.map(({ type }) => type)).toContain('continued');
    expect(warnings(continued)).toEqual([
      `the run was computed by the engine "${from}" so far and goes on with "${to}": the numbers agree to rounding, not to the bit.`,
    ]);
    const expected = await whole(family, to);
    expect(continued.history.epochs.map(({ loss }) => loss)).toEqual(
      expected.history.epochs.map(({ loss }) => expect.closeTo(loss, 4) as number),
    );
    expect(distance({ ...expected, losses: [] }, { ...continued, losses: [] }).weight).toBeLessThan(1e-4);
    // what is finished belongs to both
    const finished = await goneOn(family, from, directory);
    expect(finished.events.map(({ type }) => type)).toEqual(['plan', 'continued', 'end']);
    expect(finished.weights).toEqual(continued.weights);
  });

  test.each(families.flatMap((family) => (['onnx', 'eager'] as const).map((engine) => [family.name, engine, family] as const)))(
    'of %s under %s ends to the bit as the whole one',
    async (_name, engine, family) => {
      const directory = join(temporary(), 'run');
      await cutOff(family, engine, directory, 8);
      const continued = await goneOn(family, engine, directory);
      const expected = await whole(family, engine);
      expect(warnings(continued)).toEqual([]);
      expect(timeless(continued)).toEqual(timeless(expected));
      expect(continued.weights).toEqual(expected.weights);
    },
  );

  test('by being killed goes on under the other engine', async () => {
    const program = await bundleProgram();
    onTestFinished(() => program.remove());
    const before = process.env['TRANSFERKIT_ENGINE'];
    onTestFinished(() => {
      if (before === undefined) delete process.env['TRANSFERKIT_ENGINE'];
      else process.env['TRANSFERKIT_ENGINE'] = before;
    });
    const folder = temporary();
    const checkpoint = { directory: join(folder, 'run'), everySteps: 1 };
    const request = { kind: 'text', backend: 'wasm', result: join(folder, 'result.json'), checkpoint } as const;
    const started = async (engine: EngineUnderTest, kill?: number) => {
      process.env['TRANSFERKIT_ENGINE'] = engine; // the program inherits it
      return start(program.path, request, kill === undefined ? undefined : { events: kill, milliseconds: 0, type: 'checkpoint' });
    };
    for (const [engine, kill] of [
      ['onnx', 4],
      ['eager', 3],
      ['onnx', 2],
    ] as const)
      // prettier-ignore
      expect((await started(engine, kill)).killed).toBe(true);
    const ending = await started('eager');
    expect(ending.errors).toBe('');
    expect(ending.events).toContain('continued');
    expect(ending.events).toContain('warning');
    expect(resultOf(request).epochs).toHaveLength(5);
  });
});
