/**
 * How long the works of `engines_reference.py` take in TransferKit, by each engine.
 *
 *   npx tsx bench/engines.ts <mobilenet folder> <all-MiniLM-L6-v2 folder> [--engines onnx,eager] [--only work,...] [--repeats 7] [--profile]
 *
 * Each work runs in a process of its own and prints one JSON line: milliseconds a batch (median, all) and `peakMb`, the most memory that
 * process ever held. Pixels, token ids, labels and the start of the head are the formulas of the other programs, so that `check` (the
 * first numbers of the features) and the losses can be compared. `ready` is the time of the first run: recording and loading the graph. With `--profile`
 * ONNX Runtime's own profiler tells where the time of a batch goes, by operator; that slows the runs.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { input, layers, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import { addHead, classification, loadPretrained, lora, type Base } from 'transferkit';
import { createAdapter } from '../src/adapters/create-adapter.js';
import { createRandom } from '../src/common/random.js';
import type { HostTensor } from '../src/engines/engine.js';
import { NetworkFunctions, type NetworkPart } from '../src/inference/network-functions.js';
import { BatchNormalization } from '../src/layers/batch-normalization.js';
import { Optimizer } from '../src/training/optimizer.js';
import { StepFunction } from '../src/training/step.js';
import { learningWeights, type AnyModel } from '../src/training/weight-set.js';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engines: { type: 'string', default: 'onnx,eager' },
    only: { type: 'string' },
    repeats: { type: 'string', default: '7' },
    warmup: { type: 'string', default: '2' },
    profile: { type: 'boolean' },
    here: { type: 'boolean' },
  },
});
const [mobilenet, minilm] = positionals as [string, string];
const repeats = Number(options.repeats);
const warmup = Number(options.warmup);
type EngineName = 'onnx' | 'eager';

const labels = 5;
const trainingBatch = 16;

/** float32 [count, 224, 224, 3] in -1 to 1. */
const pixels = (count: number): HostTensor => ({
  type: 'float32',
  shape: [count, 224, 224, 3],
  values: Float32Array.from({ length: count * 224 * 224 * 3 }, (_, index) => Math.sin(index)),
});

/** Ids, mask and types, int32 [count, 128]. */
function tokens(count: number): HostTensor[] {
  const shape = [count, 128];
  const filled = (value: (index: number) => number): HostTensor => ({
    type: 'int32',
    shape,
    values: Int32Array.from({ length: count * 128 }, (_, index) => value(index)),
  });
  return [filled((index) => ((index * 7919) % 28000) + 1000), filled(() => 1), filled(() => 0)];
}

const kinds = { image: { width: 1280, inputs: (count: number) => [pixels(count)] }, text: { width: 384, inputs: tokens } } as const;
type Kind = keyof typeof kinds;

/** Sessions whose profiler runs. */
const profiled: { endProfiling(): void }[] = [];

/** The package with the profiler switched on. */
async function profilingRuntime(folder: string): Promise<object> {
  const package_ = await import('onnxruntime-node');
  const create = async (model: Uint8Array, settings: object): Promise<object> => {
    const profileFilePrefix = join(folder, 'profile');
    const session = await package_.InferenceSession.create(model, { ...settings, enableProfiling: true, profileFilePrefix });
    profiled.push(session);
    return session;
  };
  return { Tensor: package_.Tensor, env: package_.env, InferenceSession: { create } };
}

const profileFolder = mkdtempSync(join(tmpdir(), 'transferkit-profile-'));

async function load(kind: Kind, engine: EngineName, dropout: number): Promise<Base> {
  const settings = { engine, ...(options.profile ? { onnxRuntime: await profilingRuntime(profileFolder) } : {}) };
  if (kind === 'image') return loadPretrained(mobilenet, settings);
  return loadPretrained<'text'>({ source: minilm, config: { hiddenDropout: dropout, attentionDropout: dropout } }, settings);
}

interface ProfileEvent {
  readonly name: string;
  readonly dur: number;
  readonly args: { readonly op_name?: string };
}

/** Milliseconds a run by operator, and the dearest nodes. */
function readProfiles(runs: number): Record<string, unknown> {
  for (const session of profiled) session.endProfiling();
  const operators = new Map<string, { ms: number; count: number }>();
  const nodes = new Map<string, number>();
  for (const file of readdirSync(profileFolder))
    for (const { name, dur, args } of JSON.parse(readFileSync(join(profileFolder, file), 'utf8')) as ProfileEvent[]) {
      if (args?.op_name === undefined || !name.endsWith('_kernel_time')) continue;
      const { ms, count } = operators.get(args.op_name) ?? { ms: 0, count: 0 };
      operators.set(args.op_name, { ms: ms + dur / 1000 / runs, count: count + 1 / runs });
      const node = `${args.op_name} ${name.replace('_kernel_time', '')}`;
      nodes.set(node, (nodes.get(node) ?? 0) + dur / 1000 / runs);
    }
  rmSync(profileFolder, { recursive: true });
  const dearest = [...operators].sort(([, one], [, other]) => other.ms - one.ms).slice(0, 16);
  return {
    operators: dearest.map(([name, { ms, count }]) => `${name} ${round(ms)} ms (${Math.round(count)})`),
    nodes: [...nodes]
      .sort(([, one], [, other]) => other - one)
      .slice(0, 25)
      .map(([name, ms]) => `${name} ${round(ms)}`),
  };
}

interface Prepared {
  /** One run; gives the loss of a training step. */
  run(): Promise<number | undefined>;
  readonly batch: number;
  /** What the engine handed to tfjs. */
  readonly notes: readonly string[];
  check?(): Promise<number[]>;
}

async function features(kind: Kind, count: number, engine: EngineName): Promise<Prepared> {
  const base = await load(kind, engine, 0);
  const inputs = kinds[kind].inputs(count);
  const part = { start: base.parts.built.model.inputs, wanted: [base.feature('pooled')] };
  const run = () => base.networks.run(part, inputs);
  return {
    batch: count,
    notes: base.parts.engine.notes,
    run: async () => void (await run()),
    check: async () => [...(await run())[0]!.values.subarray(0, 4)].map((value) => Number(value.toFixed(6))),
  };
}

/** ResNet-50, strides in the 3x3 convolutions, random weights: to features of 2,048. */
async function resnet(count: number, engine: EngineName): Promise<Prepared> {
  const { base, part } = { base: await load('image', engine, 0), part: resnetPart() };
  const networks = new NetworkFunctions({ name: 'resnet-50', engine: base.engine });
  const inputs = [pixels(count)];
  return { batch: count, notes: base.parts.engine.notes, run: async () => void (await networks.run(part, inputs)) };
}

function resnetPart(): NetworkPart {
  let place = 0;
  const convolve = (from: SymbolicTensor, filters: number, kernelSize: number, strides = 1, rectify = true): SymbolicTensor => {
    const name = `layer${place++}`;
    const mapped = layers.conv2d({ name: `${name}/conv`, filters, kernelSize, strides, padding: 'same', useBias: false }).apply(from);
    const normalised = new BatchNormalization({ name: `${name}/norm`, epsilon: 1e-5 }).apply(mapped) as SymbolicTensor;
    return rectify ? (layers.reLU({ name: `${name}/relu` }).apply(normalised) as SymbolicTensor) : normalised;
  };
  const entry = input({ shape: [224, 224, 3] });
  const pooled = layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(convolve(entry, 64, 7, 2));
  let hidden = pooled as SymbolicTensor;
  [3, 4, 6, 3].forEach((blocks, stage) => {
    const filters = 64 * 2 ** stage;
    for (let block = 0; block < blocks; block++) {
      const strides = block === 0 && stage > 0 ? 2 : 1;
      const shortcut = block > 0 ? hidden : convolve(hidden, filters * 4, 1, strides, false);
      const inner = convolve(convolve(hidden, filters, 1), filters, 3, strides);
      const sum = layers.add().apply([shortcut, convolve(inner, filters * 4, 1, 1, false)]);
      hidden = layers.reLU().apply(sum) as SymbolicTensor;
    }
  });
  return { start: [entry], wanted: [layers.globalAveragePooling2d({}).apply(hidden) as SymbolicTensor] };
}

interface StepSettings {
  readonly rate: number;
  readonly dropout?: number;
  readonly frozenStatistics?: boolean;
  readonly adapter?: boolean;
}

/** A dense layer whose start is a formula. */
function fixHead(model: AnyModel, width: number): void {
  const [kernel, bias] = model.headModel.weights;
  tf.tidy(() => {
    const values = Float32Array.from({ length: width * labels }, (_, index) => Math.sin(index) * 0.05);
    kernel!.write(tf.tensor(values, [width, labels]));
    bias!.write(tf.zeros([labels]));
  });
}

/** A step as fineTune takes them. */
async function step(kind: Kind, engine: EngineName, settings: StepSettings): Promise<Prepared> {
  const { rate, dropout = 0, frozenStatistics = false, adapter = false } = settings;
  const base = await load(kind, engine, dropout);
  const model = addHead(base, classification(Array.from({ length: labels }, (_, index) => `label ${index}`))) as unknown as AnyModel;
  fixHead(model, kinds[kind].width);
  const all = base.groups.map(() => !adapter);
  base.freeze = { learns: all, normalization: frozenStatistics ? 'inference' : 'batch' };
  if (adapter) model.useAdapter(createAdapter(base, lora({ rank: 8, alpha: 16, dropout, targets: { layers: ['query', 'value'] } }), 1));
  const loss = { labelSmoothing: 0, focalGamma: 0 };
  const trained = new StepFunction(model, { firstGroup: 0, loss, mix: null, adapter });
  const optimizer = new Optimizer(learningWeights(model, { learns: all, adapter }), {
    recipe: { name: 'adamw' },
    gradientClip: 1,
    accumulate: 1,
  });
  const arrays = kinds[kind].inputs(trainingBatch);
  const cut = ({ shape, values }: HostTensor, index: number) => {
    const size = values.length / trainingBatch;
    return { shape: shape.slice(1), values: values.subarray(index * size, (index + 1) * size) as Float32Array };
  };
  const targets = Array.from({ length: trainingBatch }, (_, index) => model.head.encode(`label ${index % labels}`, []));
  const examples = targets.map((target, index) => ({ branches: [arrays.map((array) => cut(array, index))], target }));
  const random = createRandom(1);
  const rates = { rates: Array.from({ length: base.groups.length + 2 }, () => rate), decay: 0.01 };
  let count = 0;
  return {
    batch: trainingBatch,
    notes: base.parts.engine.notes,
    async run() {
      const update = { optimizer, rates, random: random.fork(`step ${count++}`) };
      const { loss: sum } = await trained.train(
        examples,
        examples.map(() => 1),
        update,
      );
      return sum / trainingBatch;
    },
  };
}

const works: Readonly<Record<string, (engine: EngineName) => Promise<Prepared>>> = {
  'mobilenet-features': (engine) => features('image', 16, engine),
  'resnet-features': (engine) => resnet(8, engine),
  'minilm-embeddings': (engine) => features('text', 32, engine),
  'mobilenet-step-frozen-statistics': (engine) => step('image', engine, { rate: 1e-5, frozenStatistics: true }),
  'mobilenet-step': (engine) => step('image', engine, { rate: 1e-5 }),
  'minilm-step': (engine) => step('text', engine, { rate: 1e-4 }),
  'minilm-step-dropout': (engine) => step('text', engine, { rate: 1e-4, dropout: 0.1 }),
  'lora-step': (engine) => step('text', engine, { rate: 1e-3, adapter: true }),
  'lora-step-dropout': (engine) => step('text', engine, { rate: 1e-3, adapter: true, dropout: 0.1 }),
};

const peakMb = (): number => Math.round(Number(/VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))![1]) / 1024);
const round = (value: number): number => Math.round(value * 10) / 10;

async function measure(name: string, engine: EngineName): Promise<unknown> {
  const { run, batch, check, notes } = await works[name]!(engine);
  const times: number[] = [];
  const losses: number[] = [];
  for (let index = 0; index < warmup + repeats; index++) {
    const started = performance.now();
    const loss = await run();
    times.push(performance.now() - started);
    if (loss !== undefined) losses.push(loss);
  }
  const measured = times.slice(warmup);
  const facts = losses.length > 0 ? { firstLoss: losses[0], lastLoss: losses.at(-1) } : { check: await check?.() };
  const ms = [...measured].sort((one, other) => one - other)[measured.length >> 1]!;
  return {
    work: name,
    by: `TransferKit, ${engine}`,
    ms: round(ms),
    all: measured.map(round),
    ready: round(times[0]!),
    batch,
    ...facts,
    peakMb: peakMb(),
    ...(notes.length > 0 ? { notes } : {}),
    ...(options.profile ? { profile: readProfiles(warmup + repeats) } : {}),
  };
}

const chosen = options.only?.split(',') ?? Object.keys(works);
const engines = options.engines.split(',') as EngineName[];
if (minilm === undefined)
  throw new Error('usage: npx tsx bench/engines.ts <mobilenet folder> <all-MiniLM-L6-v2 folder> [--engines onnx,eager] [--only work,...]');
if (options.here) console.log(JSON.stringify(await measure(chosen[0]!, engines[0]!)));
else
  for (const work of chosen)
    for (const engine of engines) {
      const settings = [
        '--here',
        '--only',
        work,
        '--engines',
        engine,
        '--repeats',
        options.repeats,
        '--warmup',
        options.warmup,
        ...(options.profile ? ['--profile'] : []),
      ];
      const argument = [...process.execArgv, fileURLToPath(import.meta.url), mobilenet, minilm, ...settings];
      spawnSync(process.execPath, argument, { stdio: 'inherit' });
    }
