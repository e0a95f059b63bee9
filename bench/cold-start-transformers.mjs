/**
 * Cold start of transformers.js: from nothing to the first features of a photo and of a sentence, each in a fresh process.
 *
 *   python bench/cold_start_models.py <all-MiniLM-L6-v2 folder> <models folder>
 *   taskset -c 0,1 node bench/cold-start-transformers.mjs <folder with transformers.js> <models folder> <photo.jpg> [--runs 5]
 *
 * `node_modules` of the first folder holds @huggingface/transformers (measured: 4.3.1, with onnxruntime-node 1.30.0 and sharp). The models
 * are as large as image-small and text-small and are read from the disk; nothing is downloaded. One run before those that count brings the
 * files into the system's cache.
 *
 * Prints one JSON line a model, medians in milliseconds: `ms` from starting the process until its first prediction has arrived here;
 * of it, as the process itself sees it, `boot` until its first line, `import`, `load` and `predict`; `all` is `ms` of every run.
 * `peakMb`: the most memory of such a process.
 */
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' }, here: { type: 'string' } },
});
const [packages, models, photo] = positionals.map((path) => resolve(path));
if (photo === undefined)
  throw new Error('usage: node bench/cold-start-transformers.mjs <folder with transformers.js> <models folder> <photo.jpg> [--runs 5]');

const library = join(packages, 'node_modules/@huggingface/transformers');
const tasks = {
  image: { pipeline: 'image-feature-extraction', input: photo, settings: { pool: true }, shape: [1, 1280] },
  text: {
    pipeline: 'feature-extraction',
    input: 'A red rose in the rain.',
    settings: { pooling: 'mean', normalize: true },
    shape: [1, 256],
  },
};

const manifest = async () => JSON.parse(await readFile(join(library, 'package.json'), 'utf8'));

/** One cold start, in this process. */
async function startHere(name) {
  const boot = performance.now();
  const { exports } = await manifest();
  const { env, pipeline } = await import(pathToFileURL(join(library, exports.node.import.default)).href);
  const imported = performance.now();
  const task = tasks[name];
  Object.assign(env, { allowRemoteModels: false, localModelPath: models });
  const extract = await pipeline(task.pipeline, name, { dtype: 'q8' });
  const loaded = performance.now();
  const features = await extract(task.input, task.settings);
  const done = performance.now();
  if (String(features.dims) !== String(task.shape) || !features.data.every(Number.isFinite))
    throw new Error(`${name}: features [${features.dims}], expected [${task.shape}]`);
  const peakMb = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ boot, import: imported - boot, load: loaded - imported, predict: done - loaded, peakMb }));
}

/** Starts a process and waits for its figures. */
function startOnce(name) {
  return new Promise((found, failed) => {
    const started = performance.now();
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...positionals, '--here', name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    let ms = 0;
    child.stdout.on('data', (bytes) => {
      ms = performance.now() - started;
      printed += bytes;
    });
    child.on('error', failed);
    child.on('close', (status) => {
      if (status === 0) found({ ms, ...JSON.parse(printed) });
      else failed(new Error(`${name} stopped with status ${status}`));
    });
  });
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function measure(name) {
  await startOnce(name);
  const runs = [];
  for (let run = 0; run < Number(options.runs); run++) runs.push(await startOnce(name));
  const names = ['ms', 'boot', 'import', 'load', 'predict'];
  const medians = Object.fromEntries(names.map((part) => [part, Math.round(median(runs.map((run) => run[part])))]));
  const all = runs.map((run) => Math.round(run.ms));
  const { version } = await manifest();
  return {
    work: `cold-start-${name}`,
    by: `transformers.js ${version}`,
    ...medians,
    all,
    peakMb: Math.max(...runs.map((run) => run.peakMb)),
  };
}

if (options.here !== undefined) await startHere(options.here);
else for (const name of Object.keys(tasks)) console.log(JSON.stringify(await measure(name)));
