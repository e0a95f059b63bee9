import { runtime as defaultRuntime } from '#runtime';
import type { AnyBackbone, FeatureName } from '../backbones/backbone.js';
import type { Base } from '../base.js';
import { evaluate } from '../evaluate.js';
import { fineTune } from '../fine-tune.js';
import { freezeBase } from '../freeze-base.js';
import type { Unfreeze } from '../layers/learning-groups.js';
import { encodeAll } from '../inputs/encode.js';
import type { EncodedArray } from '../inputs/input.js';
import type { JsonObject } from '../common/json.js';
import { loadModel } from '../load-model.js';
import { disposeModel } from '../layers/dispose-model.js';
import { namedWeights } from '../layers/named-weights.js';
import type { Runtime } from '../runtimes/runtime.js';
import { defineSource, type Source } from '../sources/source.js';
import { savedFiles } from '../saving/save-model.js';
import { adaptableLayers } from '../adapters/match-targets.js';
import { lora } from '../adapters/lora.js';
import { strategies, type StrategyName } from '../training/strategy.js';
import type { AnyModel } from '../training/weight-set.js';
import { memoryFile } from '../weights/byte-file.js';
import { openCheckpointFiles } from '../weights/checkpoint-files.js';
import { applyLayout } from '../weights/layouts.js';
import { fillModel, type WeightTable } from '../weights/fill-model.js';
import { depthMultiplier } from '../weights/weight-mismatch.js';
import { check, registerCases, type ConformanceCase, type ConformanceOptions } from './conformance.js';
import { expectFailure, expectNoLeaks } from './expect-no-leaks.js';
import { canLearn, everything, isRefused } from './fixed-base.js';
import { tinyCheckpoint } from './tiny-checkpoint.js';
import { tinyBase, tinyModel, tinySamples } from './tiny-model.js';

/** Options of `testBackbone`. */
export interface TestBackboneOptions extends ConformanceOptions {
  readonly runtime?: Runtime;
}

type Values = Map<string, Float32Array>;

const readAll = (weights: ReadonlyMap<string, { read(): { dataSync(): ArrayLike<number> } }>): Values =>
  new Map([...weights].map(([name, weight]) => [name, Float32Array.from(weight.read().dataSync())]));
const sameBits = (a: Float32Array, b: Float32Array): boolean =>
  a.length === b.length && new Uint8Array(a.buffer).every((byte, index) => byte === new Uint8Array(b.buffer)[index]);

/** The groups' names, and for each weight the group it belongs to. */
function weightGroups(model: AnyModel): Map<string, number> {
  return new Map(
    model.base.parts.built.groups.flatMap((group, index) =>
      group.layers.flatMap((layer) => layer.weights.map((weight) => [weight.originalName, index] as const)),
    ),
  );
}

async function builds(family: AnyBackbone, runtime: Runtime): Promise<void> {
  await runtime.chooseBackend();
  const built = family.build(family.tiny.config as JsonObject);
  const grouped = built.groups.flatMap((group) => group.layers);
  check(new Set(grouped).size === grouped.length, 'a layer is in two groups');
  for (const layer of built.model.layers)
    check(layer.weights.length === 0 || grouped.includes(layer), `layer "${layer.name}" has weights and is in no group`);
  check(new Set(built.groups.map((group) => group.name)).size === built.groups.length, 'two groups have one name');
  check(
    built.features.pooled.shape.length === 2,
    `pooled features have shape [${built.features.pooled.shape.join(', ')}], expected [batch, features]`,
  );
  namedWeights(built.model);
  disposeModel(built.model);
}

async function fills(family: AnyBackbone, runtime: Runtime): Promise<void> {
  await runtime.chooseBackend();
  for (const [layout, table] of Object.entries(family.weights)) {
    const config = family.tiny.config as JsonObject;
    const { model } = family.build(config);
    const weights = namedWeights(model);
    const checkpoint = tinyCheckpoint(table as WeightTable<JsonObject>, config, weights);
    await fillModel({ family: family.name, weights, checkpoint, tables: { [layout]: { ...table, detect: () => true } }, config });
    for (const [ours, theirs, axes] of table.rows(config, new Set(checkpoint.tensors.keys()))) {
      const expected = applyLayout(await checkpoint.tensor(theirs), axes, depthMultiplier(weights.get(ours)!.shape))!;
      check(
        sameBits(Float32Array.from(weights.get(ours)!.read().dataSync()), Float32Array.from(expected.values)),
        `${layout}: "${ours}" was not filled from "${theirs}"`,
      );
    }
    const [first] = checkpoint.tensors.keys();
    const lacking = { ...checkpoint, tensors: new Map([...checkpoint.tensors].filter(([name]) => name !== first)) };
    const tables = { [layout]: { ...table, detect: () => true } };
    const fill = () => fillModel({ family: family.name, weights, checkpoint: lacking, tables, config });
    if (first !== undefined) await expectFailure(fill, 'weight-mismatch', first); // else its weights are in files of its own
    disposeModel(model);
  }
}

/** A source over the files of a saved model. */
function sourceOf(files: ReadonlyMap<string, Uint8Array>): Source {
  const open = (name: string) => Promise.resolve(files.has(name) ? memoryFile(files.get(name)!, name) : undefined);
  const set = { origin: 'saved', revision: 'saved', names: [...files.keys()], open };
  return defineSource({ apiVersion: 1, name: 'saved', open: () => openCheckpointFiles(set) });
}

async function savesAndLoads(family: AnyBackbone, runtime: Runtime): Promise<void> {
  const model = await tinyModel(family, runtime);
  const inputs = tinySamples(family).items.map((item) => item.input);
  const before = await model.predict(inputs);
  const files = await savedFiles(model, 'saved');
  model.dispose();
  const loaded = await loadModel(sourceOf(files), { runtime, backbones: [family] });
  const after = await loaded.predict(inputs as never);
  loaded.dispose();
  check(JSON.stringify(before) === JSON.stringify(after), 'a model that was saved and loaded predicts something else');
}

/** The ways of freezing that every family must keep its word in. */
function freezingModes(groups: readonly { readonly name: string }[]): [string, Unfreeze, 'inference' | 'batch'][] {
  const middle = groups[Math.floor(groups.length / 2)]!.name;
  return [
    ['none', 'none', 'inference'],
    ['all', 'all', 'inference'],
    ['all, batch statistics', 'all', 'batch'],
    ['last 1', { last: 1 }, 'batch'],
    [`from ${middle}`, { from: middle }, 'inference'],
    [`from ${middle}, batch statistics`, { from: middle }, 'batch'],
    [`only ${middle}`, ({ name }) => name === middle, 'batch'],
  ];
}

/** Trains two steps and compares every weight of the base, bit by bit, with what it was. */
async function frozenStaysFrozen(family: AnyBackbone, runtime: Runtime): Promise<void> {
  const base = await tinyBase(family, runtime);
  const modes = freezingModes(base.groups);
  base.dispose();
  for (const [mode, unfreeze, normalization] of modes) {
    const model = await tinyModel(family, runtime);
    const freeze = () => Promise.resolve().then(() => freezeBase(model.base, { unfreeze, normalization }));
    if (await isRefused(model, unfreeze !== 'none', freeze)) continue;
    await freeze();
    const learns = model.base.freeze.learns;
    const before = readAll(model.base.weights());
    await fineTune(model, tinySamples(family) as never, {
      epochs: 1,
      headEpochs: 1,
      batchSize: 4,
      validation: 0,
      progress: false,
      learningRate: 0.01,
      weightDecay: 0.1,
    });
    const groupOf = weightGroups(model);
    const trained = trainableNames(model);
    for (const [name, after] of readAll(model.base.weights())) {
      const same = sameBits(before.get(name)!, after);
      const mayMove = learns[groupOf.get(name)!]!;
      check(mayMove || same, `freezing ${mode}: frozen weight "${name}" changed`);
      check(
        !mayMove || !same || !trained.has(name) || after.every((value) => value === 0),
        `freezing ${mode}: learning weight "${name}" did not change`,
      );
      check(mayMove || normalization === 'batch' || trained.has(name) || same, `freezing ${mode}: statistics "${name}" moved`);
    }
    model.dispose();
  }
}

/** Trains by every strategy and compares every weight, bit by bit: what a strategy leaves frozen stays, the rest moves. */
async function strategiesKeepTheirWord(family: AnyBackbone, runtime: Runtime): Promise<void> {
  for (const name of Object.keys(strategies) as StrategyName[]) {
    const model = await tinyModel(family, runtime);
    if (name === 'adapter' && adaptableLayers(model.base.parts.built).length === 0) {
      model.dispose(); // nothing that an adapter could stand beside
      continue;
    }
    const before = readAll(model.weights());
    const adapter = name === 'adapter' ? { adapter: lora({ rank: 2 }) } : {};
    const train = () =>
      fineTune(model, tinySamples(family) as never, {
        strategy: strategies[name](),
        ...adapter,
        validation: 0,
        progress: false,
        cache: false,
      });
    const unfreezes = strategies[name]().stages.some(({ unfreeze }) => unfreeze !== 'none');
    if (await isRefused(model, unfreezes, train)) continue;
    const { plan } = await train();
    const learnt = plan.phases[0]!.learns.map((_, group) => plan.phases.some(({ learns }) => learns[group]));
    const groupOf = weightGroups(model);
    const trained = trainableNames(model);
    for (const [path, after] of readAll(model.weights())) {
      const [part, ...rest] = path.split('/');
      const weight = rest.join('/');
      const same = before.has(path) && sameBits(before.get(path)!, after);
      const moves =
        part === 'base' ? learnt[groupOf.get(weight)!]! && trained.has(weight) : part === 'head' && weight.startsWith('logits/');
      check(moves || part !== 'base' || same, `strategy ${name}: frozen weight "${weight}" changed`);
      check(!moves || !same || after.every((value) => value === 0), `strategy ${name}: learning weight "${path}" did not change`);
      check(part !== 'adapter' || after.some((value) => value !== 0), `strategy ${name}: "${path}" of the adapter did not learn`);
    }
    model.dispose();
  }
}

const trainableNames = (model: AnyModel): Set<string> =>
  new Set(model.base.parts.built.model.layers.flatMap((layer) => layer.trainableWeights.map((weight) => weight.originalName)));

async function overfits(family: AnyBackbone, runtime: Runtime): Promise<void> {
  const model = await tinyModel(family, runtime);
  const data = tinySamples(family);
  await fineTune(model, data as never, {
    unfreeze: everything(model),
    epochs: 60,
    headEpochs: 20,
    batchSize: 8,
    learningRate: 0.01,
    validation: 0,
    progress: false,
    ...(canLearn(model.base) ? {} : { epochs: 300, weightDecay: 0 }), // the head has to do it by itself
  });
  const { metrics } = await evaluate(model, data as never);
  model.dispose();
  check(metrics['accuracy'] === 1, `eight samples could not be learnt by heart: accuracy ${metrics['accuracy']}`);
}

async function sameSeedSameCurve(family: AnyBackbone, runtime: Runtime): Promise<void> {
  const curve = async (seed: number): Promise<string> => {
    const model = await tinyModel(family, runtime);
    const { history } = await fineTune(model, tinySamples(family) as never, {
      unfreeze: everything(model),
      epochs: 3,
      headEpochs: 1,
      batchSize: 4,
      learningRate: 0.005,
      validation: 0,
      seed,
      progress: false,
    });
    model.dispose();
    return JSON.stringify(history.epochs.map((epoch) => epoch.loss));
  };
  const first = await curve(1);
  check(first === (await curve(1)), 'the same seed gave another curve');
  check(first !== (await curve(2)), 'another seed gave the same curve');
}

async function leaksNothing(family: AnyBackbone, runtime: Runtime): Promise<void> {
  await runtime.chooseBackend();
  await expectNoLeaks(async () => {
    const model = await tinyModel(family, runtime);
    const data = tinySamples(family);
    const unfreeze = canLearn(model.base) ? { last: 1 } : 'none';
    await fineTune(model, data as never, { unfreeze, epochs: 2, headEpochs: 1, validation: 0.5, progress: false });
    await evaluate(model, data as never);
    await model.predict(data.items[0]!.input);
    await model.embed(data.items.map((item) => item.input) as never);
    model.dispose();
  });
}

/** Largest difference of two lists, as a share of the largest number. */
function relativeDifference(one: ArrayLike<number>, other: ArrayLike<number>): number {
  let [difference, largest] = [0, 1e-30];
  for (let index = 0; index < one.length; index++) {
    difference = Math.max(difference, Math.abs(one[index]! - other[index]!));
    largest = Math.max(largest, Math.abs(one[index]!));
  }
  return one.length === other.length ? difference / largest : Infinity;
}

/** Every feature of every sample by both engines; and by the compiled one, of each sample alone. */
async function enginesAgree(family: AnyBackbone, runtime: Runtime): Promise<void> {
  const loaded = await runtime.loadOnnxRuntime?.();
  if (loaded === undefined || 'missing' in loaded) return; // there is one engine only
  const bases = await Promise.all((['eager', 'onnx'] as const).map((engine) => tinyBase(family, runtime, 3, { engine })));
  const [eager, onnx] = bases as [Base, Base];
  const inputs = await encodeAll(
    eager.parts.processor,
    tinySamples(family).items.map(({ input }) => input),
  );
  for (const name of Object.keys(eager.parts.built.features) as FeatureName[]) {
    const [expected, received] = [await eager.features(inputs, [name]), await onnx.features(inputs, [name])];
    for (const [index, [{ values, shape }]] of (expected as [EncodedArray][]).entries()) {
      const other = received[index]![0]!;
      check(
        other.shape.join() === shape.join(),
        `"${name}" has shape [${other.shape.join()}] on one engine, [${shape.join()}] on the other`,
      );
      const difference = relativeDifference(values, other.values);
      check(difference <= 1e-5, `"${name}" of sample ${index} differs by ${difference} between the engines`);
      const [[alone]] = (await onnx.features([inputs[index]!], [name])) as [[EncodedArray]];
      const change = relativeDifference(other.values, alone.values);
      check(change <= 1e-6, `"${name}" of sample ${index} alone differs by ${change} from the same in a batch`);
    }
  }
  for (const base of bases) base.dispose();
}

async function disposedIsRefused(family: AnyBackbone, runtime: Runtime): Promise<void> {
  const base = await tinyBase(family, runtime);
  base.dispose();
  base.dispose();
  await expectFailure(() => base.embed(tinySamples(family).items[0]!.input), 'disposed', family.name);
}

/**
 * The cases of the backbone contract: builds, fills, saves, freezes, learns, leaks nothing, is deterministic.
 */
export function backboneCases(family: AnyBackbone, runtime: Runtime = defaultRuntime): ConformanceCase[] {
  return [
    { name: 'builds, every weight in one group', run: () => builds(family, runtime) },
    { name: 'fills from a tiny checkpoint of every layout', run: () => fills(family, runtime) },
    { name: 'saves and loads', run: () => savesAndLoads(family, runtime) },
    { name: 'frozen weights and statistics stay bit-identical in every freezing mode', run: () => frozenStaysFrozen(family, runtime) },
    {
      name: 'every strategy leaves frozen weights bit-identical and changes the others',
      run: () => strategiesKeepTheirWord(family, runtime),
    },
    { name: 'learns eight samples by heart', run: () => overfits(family, runtime) },
    { name: 'same seed, same curve', run: () => sameSeedSameCurve(family, runtime) },
    { name: 'both engines give the same features, where ONNX Runtime is installed', run: () => enginesAgree(family, runtime) },
    { name: 'leaks no tensor', run: () => leaksNothing(family, runtime) },
    { name: 'refuses use after dispose', run: () => disposedIsRefused(family, runtime) },
  ];
}

/**
 * Registers the conformance suite of a backbone family with your test runner.
 * @example
 * ```ts
 * import { test } from 'vitest';
 * import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
 * import { testBackbone } from 'transferkit/testing';
 *
 * testBackbone(mobilenetV2, { test });
 * ```
 */
export function testBackbone(family: AnyBackbone, options: TestBackboneOptions = {}): void {
  registerCases(family.name, backboneCases(family, options.runtime), options);
}
