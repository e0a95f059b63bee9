/**
 * The whole job of `engines_keras.py` in TransferKit: from a folder of photos to the accuracy on others, on a frozen MobileNetV2, 10 epochs.
 *
 *   taskset -c 0,1 npx tsx bench/flowers-job.ts <flowers folder> <mobilenet folder> [--engine onnx] [--epochs 10] [--workers 2]
 *
 * The flowers folder holds `{train,test}/<class>/*.jpg`. Same recipe: 224 px, no augmentation, batches of 32, Adam's rate 1e-4 on a dense
 * layer behind dropout of 0.2. Photos are read and run through the base once, and the head learns on the features: that is the point.
 * Prints one JSON line: seconds of the start (imports, base), training, evaluation and the whole, and the accuracy.
 */
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { addHead, classification, evaluate, fineTune, freezeBase, loadPretrained, type EngineName } from 'transferkit';
import { imageFolder } from 'transferkit/data';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    engine: { type: 'string', default: 'auto' },
    epochs: { type: 'string', default: '10' },
    workers: { type: 'string', default: '0' },
  },
});
const [flowers, mobilenet] = positionals as [string, string];
if (mobilenet === undefined)
  throw new Error('usage: npx tsx bench/flowers-job.ts <flowers folder> <mobilenet folder> [--engine onnx] [--epochs 10]');

const seconds = (from: number): number => Math.round((performance.now() - from) / 10) / 100;
const base = await loadPretrained<'image'>(mobilenet, { engine: options.engine as EngineName });
const train = await imageFolder(join(flowers, 'train'));
const model = addHead(freezeBase(base), classification(train.labels, { dropout: 0.2 }), { seed: 1 });
const start = seconds(0);
const before = performance.now();
const { history } = await fineTune(model, train, {
  strategy: 'head',
  epochs: Number(options.epochs),
  batchSize: 32,
  learningRate: 1e-4,
  schedule: 'constant',
  validation: 0,
  earlyStopping: false,
  cache: false,
  workers: Number(options.workers),
  progress: false,
  seed: 1,
});
const training = seconds(before);
const again = performance.now();
const { metrics } = await evaluate(model, await imageFolder(join(flowers, 'test')));
console.log(
  JSON.stringify({
    work: 'flowers-job',
    by: `TransferKit, ${base.engine.name}, ${options.workers} workers`,
    photos: train.length,
    start,
    training,
    evaluation: seconds(again),
    whole: seconds(0),
    losses: history.epochs.map(({ loss }) => Math.round(loss * 1e4) / 1e4),
    accuracy: metrics.accuracy,
    peakMb: Math.round(process.resourceUsage().maxRSS / 1024),
  }),
);
