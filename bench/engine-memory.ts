/**
 * What a compiled training takes and keeps: memory of the process, every hundred steps.
 *
 *   npx tsx bench/engine-memory.ts [photos | texts] [steps]
 *
 * Every layer learns, with a moving average of the weights, gradients gathered over two batches, dropout, and batches of several sizes and
 * lengths. `photos` is MobileNetV2 0.35 at 96 px, `texts` a BERT of 4 layers of 128. Both have random weights, and random data: nothing is
 * read from disk. Prints one JSON line every hundred steps, in MiB, and at the end the peak and how much more there was in the second half of
 * the run than in the first. Ends with an error where that is above 5 %.
 */
import * as tf from '@tensorflow/tfjs-core';
import { addHead, classification, fineTune, untrainedBase } from 'transferkit';
import { bert } from 'transferkit/backbones/bert';
import { mobilenetV2, mobilenetV2Config } from 'transferkit/backbones/mobilenet-v2';
import { examples } from 'transferkit/data';
import { createRandom } from '../src/common/random.js';

const [kind = 'photos', count = '1000'] = process.argv.slice(2);
const steps = Number(count);
const random = createRandom(1);
const labels = ['one', 'other'] as const;

const photos = () =>
  Array.from({ length: 62 }, (_, index) => ({
    image: { width: 96, height: 96, data: Uint8Array.from({ length: 96 * 96 * 3 }, () => random.integer(256)) },
    label: labels[index % 2]!,
  }));

const words = bert.tiny.files!['vocab.txt'] as string;
const texts = () =>
  Array.from({ length: 62 }, (_, index) => ({
    text: Array.from({ length: 4 + random.integer(40) }, () => words.split('\n')[5 + random.integer(10)]).join(' '),
    label: labels[index % 2]!,
  }));

const shape = { hiddenSize: 128, layers: 4, heads: 4, intermediateSize: 512 };
const settings: Readonly<Record<string, () => Promise<readonly [any, any]>>> = {
  photos: async () => {
    const config = mobilenetV2Config({ width: 0.35, imageSize: 96 });
    return [await untrainedBase(mobilenetV2, { config, engine: 'onnx' }), examples(photos())];
  },
  texts: async () => {
    const config = { ...bert.tiny.config, ...shape };
    return [await untrainedBase(bert, { ...bert.tiny, config, engine: 'onnx' } as never), examples(texts())];
  },
};
const make = settings[kind];
if (make === undefined || !(steps >= 200)) throw new Error('usage: npx tsx bench/engine-memory.ts [photos | texts] [steps, at least 200]');

const mebibytes = (bytes: number): number => Number((bytes / 2 ** 20).toFixed(1));
const resident: number[] = [];
let done = 0;

function look(): void {
  done++;
  if (done % 100 !== 0) return;
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  resident.push(rss);
  const rest = {
    heap: mebibytes(heapUsed),
    external: mebibytes(external),
    arrays: mebibytes(arrayBuffers),
    tensors: tf.memory().numTensors,
  };
  console.log(JSON.stringify({ kind, step: done, resident: mebibytes(rss), ...rest }));
}

const [base, data] = await make();
const model = addHead(base, classification(labels, { dropout: 0.2 })) as any;
const batchSize = 8; // 7 batches of 8 and one of 6
await fineTune(model, data, {
  unfreeze: 'all',
  headEpochs: 0,
  epochs: Math.ceil(steps / 8),
  batchSize,
  validation: 0,
  ema: 0.99,
  accumulate: 2,
  learningRate: 1e-4,
  cache: false,
  progress: false,
  onEvent: ({ type }) => type === 'step' && look(),
});

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const settled = resident.slice(1); // the first hundred steps fill what is kept
const half = Math.ceil(settled.length / 2);
const growth = mean(settled.slice(half)) / mean(settled.slice(0, half)) - 1;
const peak = mebibytes(process.resourceUsage().maxRSS * 1024);
console.log(
  JSON.stringify({ kind, engine: base.engine.name, parameters: base.parameters, steps: done, peak, growth: Number(growth.toFixed(4)) }),
);
if (growth > 0.05) throw new Error(`the second half of the run took ${(100 * growth).toFixed(1)} % more memory than the first`);
