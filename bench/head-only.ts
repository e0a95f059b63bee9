/**
 * Training a head alone on cached features: 10,003 sentences of banking77 in 77 classes, 384 features each.
 *
 *   npx tsx bench/head-only.ts <data folder> <all-MiniLM-L6-v2 folder> <features folder> [way ...]
 *   python bench/head_only.py <data folder> <features folder>
 *
 * The first computes the features and writes them to the features folder (`train.npy`, `test.npy`), where they are not there yet;
 * both train on them and print one JSON line a way: seconds and accuracy. Run both in one go on one machine, and compare ratios.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { input, layers, model as layersModel, type SymbolicTensor } from '@tensorflow/tfjs-layers';
import {
  addHead,
  classification,
  defineBackbone,
  evaluate,
  fineTune,
  loadPretrained,
  runtime,
  untrainedBase,
  type FineTuneOptions,
} from 'transferkit';
import { examples, table } from 'transferkit/data';

const [data, minilm, folder, ...wanted] = process.argv.slice(2);
if (data === undefined || minilm === undefined || folder === undefined)
  throw new Error('usage: npx tsx bench/head-only.ts <data folder> <all-MiniLM-L6-v2 folder> <features folder>');

/** A float32 matrix in NumPy's own file format. */
function writeMatrix(path: string, values: Float32Array, width: number): void {
  const facts = `{'descr': '<f4', 'fortran_order': False, 'shape': (${values.length / width}, ${width}), }`;
  const header = Buffer.from(`\x93NUMPY\x01\x00\0\0${facts.padEnd(117)}\n`, 'latin1');
  header.writeUInt16LE(header.length - 10, 8);
  writeFileSync(path, Buffer.concat([header, Buffer.from(values.buffer, values.byteOffset, values.byteLength)]));
}

function readMatrix(path: string): Float32Array {
  const bytes = readFileSync(path);
  const start = 10 + bytes.readUInt16LE(8);
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + bytes.length));
}

/** Features and labels of one part of the set. */
async function part(name: 'train' | 'test') {
  const rows = await table(join(data!, `text/banking77/${name}.csv`));
  const path = join(folder!, `${name}.npy`);
  if (!existsSync(path)) {
    const base = await loadPretrained<'text'>(minilm!);
    const { values, shape } = await base.embed(rows.items.map((item) => item.input as string));
    mkdirSync(folder!, { recursive: true });
    writeMatrix(path, values, shape[1]!);
    base.dispose();
  }
  const values = readMatrix(path);
  return { values, width: values.length / rows.length, labels: rows.items.map((item) => item.target) };
}

const parts = { train: await part('train'), test: await part('test') };
const { width } = parts.train;

/** A backbone that looks its features up: `train 17` is row 17. */
const lookUp = defineBackbone<{ width: number }, 'text'>({
  apiVersion: 1,
  name: 'look-up',
  modality: 'text',
  matches: () => false,
  parse: () => ({ width }),
  build() {
    const rows = input({ shape: [width], name: 'rows' });
    const pooled = layers.activation({ activation: 'linear', name: 'as-they-are' }).apply(rows) as SymbolicTensor;
    return { model: layersModel({ inputs: rows, outputs: pooled }), groups: [{ name: 'rows', layers: [] }], features: { pooled } };
  },
  weights: {},
  input: () => ({ kind: 'text' }),
  processor: (recipe) =>
    Promise.resolve({
      recipe,
      padding: [0],
      files: new Map(),
      encode(key) {
        const [name, row] = String(key).split(' ') as ['train' | 'test', string];
        const values = parts[name].values.subarray(Number(row) * width, (Number(row) + 1) * width);
        return Promise.resolve({ arrays: [{ shape: [width], values }], length: 1 });
      },
    }),
  tiny: { config: { width }, input: { kind: 'text' } },
});

const asExamples = (name: 'train' | 'test') => examples(parts[name].labels.map((label, row) => ({ text: `${name} ${row}`, label })));
const [train, test] = [asExamples('train'), asExamples('test')];

const solved = (solve: 'logistic-regression' | 'nearest-centroid', strength?: number | 'auto'): FineTuneOptions => ({
  strategy: { name: solve, stages: [{ name: 'head', unfreeze: 'none', solve, ...(strength === undefined ? {} : { strength }) }] },
});
const ways: Readonly<Record<string, FineTuneOptions>> = {
  adamw: { strategy: 'head', epochs: 30, batchSize: 64, learningRate: 1e-3, weightDecay: 1, earlyStopping: false },
  'logistic-regression': solved('logistic-regression', 0.3),
  'logistic-regression auto': solved('logistic-regression', 'auto'),
  'nearest-centroid': solved('nearest-centroid'),
};

for (const [way, options] of Object.entries(ways).filter(([name]) => wanted.length === 0 || wanted.includes(name))) {
  const base = await untrainedBase(lookUp, { config: { width }, input: { kind: 'text' } });
  const model = addHead(base, classification(train.labels));
  const { history } = await fineTune(model as any, train as any, { ...options, validation: 0, cache: false, progress: false } as any);
  const { accuracy } = await evaluate(model, test as any);
  const seconds = Math.round(history.seconds.training * 100) / 100;
  console.log(JSON.stringify({ way, backend: runtime.describe(), examples: train.length, seconds, accuracy }));
  model.dispose();
}
