/**
 * A network that ships with the package, fine-tuned whole on a set that it has not seen.
 *
 *   npx tsx bench/bundled.ts <data folder> [base] [set] [epochs] [rate of the base]
 *
 * Default: text-transformer on sst2, 3 epochs, rate 0.0003. Prints one line of JSON.
 */
import { join } from 'node:path';
import { addHead, classification, evaluate, fineTune, loadPretrained, runtime } from 'transferkit';
import { imageFolder, table, type Dataset } from 'transferkit/data';

const [data, name = 'text-transformer', set = 'sst2', epochs = '3', rate = '3e-4'] = process.argv.slice(2);
if (data === undefined) throw new Error('usage: npx tsx bench/bundled.ts <data folder> [base] [set] [epochs] [rate of the base]');

const base = await loadPretrained(name);
const read = async (part: string): Promise<Dataset<any, string>> =>
  base.modality === 'image' ? imageFolder(join(data, 'images', set, part)) : table(join(data, 'text', set, `${part}.csv`));
const [train, test] = [await read('train'), await read('test')];
const model = addHead(base, classification(train.labels));
const started = performance.now();
const { plan, history } = await fineTune(model, train, {
  unfreeze: 'all',
  epochs: Number(epochs),
  learningRate: { base: Number(rate) },
  headEpochs: 3,
});
const seconds = (performance.now() - started) / 1000;
const report = await evaluate(model, test);
const { accuracy, interval } = report as unknown as { accuracy: number; interval: { accuracy: { low: number; high: number } } };
console.log(
  JSON.stringify({
    base: name,
    set,
    backend: runtime.describe(),
    train: train.length,
    test: test.length,
    accuracy,
    interval: interval.accuracy,
    epochs: history.epochs.length,
    seconds: Math.round(seconds),
    decisions: plan.decisions,
  }),
);
model.dispose();
