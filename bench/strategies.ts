/**
 * Each way to fine-tune on three image and four text sets, beside the same in PyTorch (`strategies.py`).
 *
 *   npx tsx bench/strategies.ts <data folder> <all-MiniLM-L6-v2 folder> <work folder> --prepare
 *   python bench/strategies.py <work folder> <mobilenet folder> <all-MiniLM-L6-v2 folder>
 *   npx tsx bench/strategies.ts <data folder> <all-MiniLM-L6-v2 folder> <work folder> [--sets ...] [--strategies ...] [--seeds ...]
 *   npx tsx bench/strategies.ts <data folder> <all-MiniLM-L6-v2 folder> <work folder> --table
 *
 * `--prepare` draws the samples, and writes pixels, token ids and the strategies as plain data, for PyTorch to read: both sides train
 * on the same numbers. A cell that is in `<work folder>/ours.json` is not run again. `--train` and `--test` set the sample's sizes.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { addHead, classification, evaluate, fineTune, loadPretrained, lora, type FineTuneOptions, type Strategy } from 'transferkit';
import { examples, imageFolder, table, type Dataset } from 'transferkit/data';
import { comparisonTable, type Cell } from './strategy-table.js';
import { strategiesFor } from './strategy-recipes.js';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    prepare: { type: 'boolean' },
    table: { type: 'boolean' },
    sets: { type: 'string' },
    strategies: { type: 'string' },
    seeds: { type: 'string', default: '1,2' },
    train: { type: 'string', default: '256' },
    test: { type: 'string', default: '500' },
  },
});
const [data, minilm, work] = positionals as [string, string, string];
if (work === undefined)
  throw new Error('usage: npx tsx bench/strategies.ts <data folder> <all-MiniLM-L6-v2 folder> <work folder> [--prepare | --table]');

const modalities = {
  flowers: 'image',
  'cats-dogs': 'image',
  clothing: 'image',
  sst2: 'text',
  trec: 'text',
  cr: 'text',
  'tweet-emotion': 'text',
} as const;
type SetName = keyof typeof modalities;

/** Smaller than the network was trained on: the whole comparison has to fit into an hour of one core. */
const side = 128;

const bases = {
  image: {
    source: join(data, 'weights/mobilenet-v2-1.0-224.huggingface'),
    input: {
      resize: { mode: 'shortest-edge', size: side, interpolation: 'bilinear', antialias: true },
      crop: { height: side, width: side, rounding: 'floor' },
    },
  },
  text: { source: minilm },
};

/** The examples of one set, as both sides read them. An image's input is its path within the data folder. */
interface Sample {
  readonly modality: 'image' | 'text';
  readonly labels: readonly string[];
  readonly train: readonly Drawn[];
  readonly test: readonly Drawn[];
}
interface Drawn {
  readonly input: string;
  readonly label: string;
}

const samplePath = (set: string, ending = 'json'): string => join(work, 'samples', `${set}.${ending}`);
const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** Never half a file: written beside it, then renamed. */
function write(path: string, content: string | Uint8Array): void {
  writeFileSync(`${path}.part`, content);
  renameSync(`${path}.part`, path);
}

const openPart = (set: SetName, part: string): Promise<Dataset<any, string>> =>
  modalities[set] === 'image' ? imageFolder(join(data, 'images', set, part)) : table(join(data, 'text', set, `${part}.csv`));

/** So many examples, in the proportions of the labels; all where there are no more. */
async function draw(set: SetName, part: string, count: number): Promise<Drawn[]> {
  const all = await openPart(set, part);
  const drawn = count >= all.length ? all : all.split({ test: count / all.length, seed: 7 }).test;
  const named = (input: unknown): string =>
    modalities[set] === 'image' ? relative(data, String(input).replace(/^file:\/\//, '')) : String(input);
  return drawn.shuffle(7).items.map((item) => ({ input: named(item.input), label: item.target }));
}

/** Numbers that go into the network, and a few that come out of it, for PyTorch to train on and to compare with. */
async function prepare(set: SetName): Promise<void> {
  const modality = modalities[set];
  const train = await draw(set, 'train', Number(values.train));
  const test = await draw(set, 'test', Number(values.test));
  const labels = [...new Set(train.map(({ label }) => label))].sort();
  const sample: Sample = { modality, labels, train, test };
  write(samplePath(set), JSON.stringify(sample, null, 1));
  const base = await loadPretrained(bases[modality]);
  const raws = [...train, ...test].map(({ input }) => (modality === 'image' ? join(data, input) : input));
  const encoded = [];
  for (const raw of raws) encoded.push(await base.parts.processor.encode(raw));
  const { values: features } = await base.embed(raws.slice(0, 8));
  const groups = base.groups.map(({ name }) => name);
  write(samplePath(set, 'facts.json'), JSON.stringify({ shape: [side, side, 3], features: [...features], groups }));
  if (modality === 'text') write(samplePath(set, 'ids.json'), JSON.stringify(encoded.map(({ arrays }) => [...arrays[0]!.values])));
  else write(samplePath(set, 'f32'), Buffer.concat(encoded.map(({ arrays }) => Buffer.from((arrays[0]!.values as Float32Array).buffer))));
  base.dispose();
}

/** The examples as a data set again. */
function datasetOf({ modality }: Sample, drawn: readonly Drawn[]): Dataset<any, string> {
  const items = drawn.map(({ input, label }) => ({ input: modality === 'image' ? join(data, input) : input, label }));
  return examples(items, { modality: modality as 'text' });
}

/** What a column of the table asks of fineTune; `default` asks for nothing. */
function optionsFor(name: string, modality: Sample['modality'], count: number): FineTuneOptions {
  if (name === 'default') return {};
  const strategy: Strategy = strategiesFor(modality, count)[name]!;
  const adapter = strategy.stages.some((stage) => stage.adapter === true) ? { adapter: lora({ rank: 8, alpha: 16 }) } : {};
  return { strategy, ...adapter, validation: 0, earlyStopping: false };
}

async function runCell(set: SetName, strategy: string, seed: number): Promise<Cell> {
  const sample = readJson(samplePath(set)) as Sample;
  const base = await loadPretrained(bases[sample.modality]);
  const model = addHead(base, classification(sample.labels), { seed });
  const options = optionsFor(strategy, sample.modality, sample.train.length);
  const started = performance.now();
  const { plan } = await fineTune(model as any, datasetOf(sample, sample.train), {
    ...options,
    seed,
    progress: false,
    cache: false,
  } as any);
  const seconds = (performance.now() - started) / 1000;
  if (strategy === 'default') console.error(plan.describe());
  const report = await evaluate(model as any, datasetOf(sample, sample.test));
  model.dispose();
  return { set, strategy, seed, accuracy: (report.metrics as { accuracy: number }).accuracy, seconds: Math.round(seconds * 10) / 10 };
}

const chosen = (list: string | undefined, all: readonly string[]): string[] => list?.split(',') ?? [...all];
const cellsOf = (name: string): Cell[] => (existsSync(join(work, name)) ? (readJson(join(work, name)) as Cell[]) : []);

async function runGrid(sets: readonly SetName[]): Promise<void> {
  const names = chosen(values.strategies, [...Object.keys(strategiesFor('text', 1)), 'default']);
  for (const seed of values.seeds.split(',').map(Number)) {
    for (const set of sets) {
      for (const strategy of names) {
        const known = cellsOf('ours.json');
        if (known.some((cell) => cell.set === set && cell.strategy === strategy && cell.seed === seed)) continue;
        const cell = await runCell(set, strategy, seed);
        console.log(JSON.stringify(cell));
        write(join(work, 'ours.json'), JSON.stringify([...cellsOf('ours.json'), cell], null, 1));
      }
    }
  }
}

mkdirSync(join(work, 'samples'), { recursive: true });
const sets = chosen(values.sets, Object.keys(modalities)) as SetName[];
if (values.prepare) {
  for (const set of sets) await prepare(set);
  for (const modality of ['image', 'text'] as const)
    write(samplePath(`strategies.${modality}`), JSON.stringify(strategiesFor(modality, Number(values.train)), null, 1));
} else if (values.table) console.log(comparisonTable(cellsOf('torch.json'), cellsOf('ours.json')));
else await runGrid(sets);
