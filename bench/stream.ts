/**
 * Memory and speed on data larger than memory: `npx tsx bench/stream.ts [sizes...]`. One process a size computes features of texts
 * that are written when they are asked for, with a bundled network, 64 MB of memory for features and the rest on disk, and trains
 * a head on them for two epochs. It prints the peak of the process's memory and examples a second. The JavaScript heap is held to
 * 96 MB, so that the peak is what is needed and not what was not collected yet.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addHead, classification, fineTune, loadPretrained, runtime, type Base, type DataItem } from 'transferkit';
import { createDataset } from 'transferkit/data';
import { createRandom } from '../src/common/random.js';

const budget = 64 * 2 ** 20;
const epochs = 2;
/** 256 numbers of text-small. */
const featureBytes = 1024;
const words =
  'a red rose late train the quick brown fox jumps over lazy dog never again in my whole life service was awful food great'.split(' ');

/** An example whose text does not exist until it is read. */
class LazyItem implements DataItem<'text', 'even' | 'odd'> {
  constructor(private readonly number: number) {}

  get id(): string {
    return `text ${this.number}`;
  }

  get target(): 'even' | 'odd' {
    return this.number % 2 === 0 ? 'even' : 'odd';
  }

  get input(): string {
    const random = createRandom(this.number + 1);
    return Array.from({ length: 4 + random.integer(20) }, () => words[random.integer(words.length)]!).join(' ');
  }
}

interface Measured {
  readonly examples: number;
  readonly peakMegabytes: number;
  readonly featuresSeconds: number;
  readonly trainingSeconds: number;
}

/** One run, in a process of its own. */
async function measure(examples: number, directory: string): Promise<Measured> {
  await runtime.chooseBackend('wasm');
  const base = (await loadPretrained('text-small')) as Base<'text'>;
  const items = Array.from({ length: examples }, (_, number) => new LazyItem(number));
  const data = createDataset({ modality: 'text', items, origin: 'texts that are made when they are read' });
  const model = addHead(base, classification(['even', 'odd']));
  const options = { epochs, validation: 0, batchSize: 64, progress: false, cacheBytes: budget, cache: { directory } };
  const { history } = await fineTune(model, data, options);
  return {
    examples,
    peakMegabytes: Math.round(process.resourceUsage().maxRSS / 1024),
    featuresSeconds: history.seconds.features,
    trainingSeconds: history.seconds.training,
  };
}

/** Runs one size in a child and gives what it measured. */
function inChild(size: number, directory: string): Measured {
  const program = fileURLToPath(import.meta.url);
  const child = spawnSync(process.execPath, ['--max-old-space-size=96', '--import', 'tsx', program, '--child', String(size), directory], {
    encoding: 'utf8',
  });
  const line = child.stdout.split('\n').find((each) => each.startsWith('{'));
  if (line === undefined) throw new Error(`the run with ${size} examples failed: ${child.stderr.slice(-2000)}`);
  return JSON.parse(line) as Measured;
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--child') console.log(JSON.stringify(await measure(Number(rest[0]), rest[1]!)));
else {
  const sizes = [first, ...rest].flatMap((size) => (size === undefined ? [] : [Number(size)]));
  const perSecond = (count: number, seconds: number): string => Math.round(count / seconds).toLocaleString('en-US');
  console.log(
    '| examples | features, MB | run | peak memory, MB | features, examples/s | training, examples/s |\n| -------: | ---: | --- | ---: | ---: | ---: |',
  );
  for (const size of sizes.length > 0 ? sizes : [10_000, 50_000, 200_000]) {
    const directory = mkdtempSync(join(tmpdir(), 'transferkit-stream-'));
    for (const run of ['first', 'second']) {
      const { examples, peakMegabytes, featuresSeconds, trainingSeconds } = inChild(size, directory);
      const figures = [perSecond(examples, featuresSeconds), perSecond(examples * epochs, trainingSeconds)];
      console.log(
        `| ${examples.toLocaleString('en-US')} | ${Math.round((examples * featureBytes) / 2 ** 20)} | ${run} | ${peakMegabytes} | ${figures.join(' | ')} |`,
      );
    }
    rmSync(directory, { recursive: true, force: true });
  }
}
