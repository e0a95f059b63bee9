/**
 * Features over worker threads against this thread: time, processor time, and whether the numbers are the same.
 *
 *   npx tsx bench/workers.ts <data folder> <all-MiniLM-L6-v2 folder> [task[:examples] ...]
 *
 * Tasks: flowers (MobileNetV2 1.0 at 224 px, 384 photos), sst2 (MiniLM, 1,024 sentences). The data folder is that of
 * `bench/transfer.ts`. Every setting runs three times, in turns; medians are printed, one JSON line a task. `cpu` is user and system
 * time of the whole process with all its threads: what it takes more with workers is what workers cost.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { addHead, classification, loadPretrained, runtime } from 'transferkit';
import { imageFolder, table } from 'transferkit/data';
import type { ExtractedItem, ExtractionJob, Extractor } from '../src/feature-cache/extractor.js';
import { createLocalExtractor } from '../src/feature-cache/local-extractor.js';
import { createWorkerExtractor } from '../src/workers/worker-extractor.js';

const [data, minilm, ...wanted] = process.argv.slice(2);
if (data === undefined || minilm === undefined)
  throw new Error('usage: npx tsx bench/workers.ts <data folder> <all-MiniLM-L6-v2 folder> [task ...]');

const tasks: Readonly<Record<string, { readonly base: string; readonly read: () => Promise<any>; readonly count: number }>> = {
  flowers: {
    base: join(data, 'weights/mobilenet-v2-1.0-224.huggingface'),
    read: () => imageFolder(join(data, 'images/flowers/train')),
    count: 384,
  },
  sst2: { base: minilm, read: () => table(join(data, 'text/sst2/train.csv')), count: 1024 },
};

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!;
const round = (value: number): number => Number(value.toFixed(2));

function hashOf(items: readonly ExtractedItem[]): string {
  const hash = createHash('sha256');
  for (const item of items) {
    if ('error' in item) throw item.error;
    for (const { values } of item.branches.flat()) hash.update(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  }
  return hash.digest('hex').slice(0, 16);
}

interface Measured {
  readonly start: number;
  readonly seconds: number;
  readonly cpu: number;
  readonly hash: string;
}

async function measure(make: () => Promise<Extractor> | Extractor, jobs: readonly ExtractionJob[]): Promise<Measured> {
  const before = performance.now();
  const extractor = await make();
  // Each backend computes for the first time, outside of what is timed.
  await extractor.extract(jobs.slice(0, 16));
  const started = performance.now();
  const cpu = process.cpuUsage();
  const items = await extractor.extract(jobs);
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await extractor.close();
  return { start: (started - before) / 1000, seconds, cpu: (user + system) / 1e6, hash: hashOf(items) };
}

for (const task of wanted.length > 0 ? wanted : Object.keys(tasks)) {
  const [name = '', examplesWanted] = task.split(':');
  const { base, read, count: usual } = tasks[name]!;
  const count = Number(examplesWanted ?? usual);
  const examples = (await read()).shuffle(1).take(count);
  const jobs: ExtractionJob[] = examples.items.map((item: any) => ({ item }));
  const model = addHead(await loadPretrained(base), classification(examples.labels)) as any;
  const border = model.base.groups.length;
  const settings: readonly [string, () => Promise<Extractor> | Extractor][] = [
    ['this thread', () => createLocalExtractor(model, border)],
    ['1 worker', () => createWorkerExtractor(model, border, 1)],
    ['2 workers', () => createWorkerExtractor(model, border, 2)],
  ];
  const runs = new Map<string, Measured[]>(settings.map(([setting]) => [setting, []]));
  for (let round = 0; round < 3; round++) for (const [setting, make] of settings) runs.get(setting)!.push(await measure(make, jobs));
  const reference = median(runs.get('this thread')!.map(({ seconds }) => seconds));
  const rows = [...runs].map(([setting, all]) => {
    const seconds = median(all.map((run) => run.seconds));
    return [
      setting,
      {
        seconds: round(seconds),
        perSecond: round(count / seconds),
        speedUp: round(reference / seconds),
        cpu: round(median(all.map((run) => run.cpu))),
        start: round(median(all.map((run) => run.start))),
        all: all.map((run) => round(run.seconds)),
      },
    ];
  });
  const same = new Set([...runs.values()].flat().map(({ hash }) => hash)).size === 1;
  console.log(JSON.stringify({ task: name, backend: runtime.describe(), examples: count, sameBits: same, ...Object.fromEntries(rows) }));
  model.dispose();
}
