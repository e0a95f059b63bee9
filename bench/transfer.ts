/**
 * Accuracy and speed of transfer on real data with published weights.
 *
 *   npx tsx bench/transfer.ts <data folder> <all-MiniLM-L6-v2 folder> [task ...]
 *
 * Tasks: flowers, flowers-top, sst2, sst2-last2, trec, trec-last2, banking77, banking77-last2. The data folder holds `images/`,
 * `text/` and `weights/` as `bench/README.md` tells. Prints one JSON line a task; the same command twice gives the same figures.
 */
import { join } from 'node:path';
import { addHead, classification, evaluate, fineTune, loadPretrained, runtime, type FineTuneOptions } from 'transferkit';
import { imageFolder, table } from 'transferkit/data';

const [data, minilm, ...wanted] = process.argv.slice(2);
if (data === undefined || minilm === undefined)
  throw new Error('usage: npx tsx bench/transfer.ts <data folder> <all-MiniLM-L6-v2 folder> [task ...]');

const photos = {
  base: join(data, 'weights/mobilenet-v2-1.0-224.huggingface'),
  train: () => imageFolder(join(data, 'images/flowers/train')),
  test: () => imageFolder(join(data, 'images/flowers/test')),
};
const sentences = (name: string) => ({
  base: minilm,
  train: () => table(join(data, `text/${name}/train.csv`)),
  test: () => table(join(data, `text/${name}/test.csv`)),
});

interface Task {
  readonly place: { readonly base: string; readonly train: () => Promise<any>; readonly test: () => Promise<any> };
  readonly options?: FineTuneOptions;
}

const tasks: Readonly<Record<string, Task>> = {
  flowers: { place: photos, options: { strategy: 'head' } },
  'flowers-top': { place: photos, options: { unfreeze: { last: 2 } } },
  ...Object.fromEntries(
    ['sst2', 'trec', 'banking77'].flatMap((name): [string, Task][] => [
      [name, { place: sentences(name), options: { strategy: 'head' } }],
      [`${name}-last2`, { place: sentences(name), options: { unfreeze: { last: 2 } } }],
    ]),
  ),
};

for (const name of wanted.length > 0 ? wanted : Object.keys(tasks)) {
  const { place, options = {} } = tasks[name]!;
  const [train, test] = [await place.train(), await place.test()];
  const base = await loadPretrained(place.base);
  const model = addHead(base, classification(train.labels as string[]));
  const { history, plan } = await fineTune(model as any, train, options);
  const started = performance.now();
  const report = await evaluate(model as any, test);
  const seconds = (performance.now() - started) / 1000;
  console.log(
    JSON.stringify({
      task: name,
      backend: runtime.describe(),
      train: train.length,
      test: test.length,
      accuracy: report.metrics['accuracy'],
      interval: (report.toJSON() as any).intervals?.accuracy ?? (report.toJSON() as any).interval,
      macroF1: report.metrics['macroF1'],
      loss: report.metrics['loss'],
      epochs: history.epochs.length,
      best: history.best,
      featuresSeconds: history.seconds.features,
      featuresPerSecond: train.length / history.seconds.features,
      trainingSeconds: history.seconds.training,
      evaluatePerSecond: test.length / seconds,
      phases: plan.phases.map(({ name: phase, epochs, batchSize, rates }) => ({ phase, epochs, batchSize, rates })),
    }),
  );
  model.dispose();
}
