/**
 * Cold start of TransferKit: from nothing to the first features of a photo and of a sentence by the bundled backbones, each in a fresh
 * process; the other side of cold-start-transformers.mjs. Run `npm run build` before: it measures the package as users get it.
 *
 *   taskset -c 0,1 node bench/cold-start.mjs <photo.jpg> [--runs 5] [--engine auto]
 *
 * Prints one JSON line a model, medians in milliseconds: `ms` from starting the process until its first prediction has arrived here; of it,
 * as the process itself sees it, `boot` until its first line, `import`, `load` and `predict`. One run before those that count brings the
 * files into the system's cache.
 */
import { spawn } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '5' }, engine: { type: 'string', default: 'auto' }, here: { type: 'string' } },
});
if (positionals.length !== 1) throw new Error('usage: node bench/cold-start.mjs <photo.jpg> [--runs 5] [--engine auto]');
const tasks = { image: ['image-small', resolve(positionals[0])], text: ['text-small', 'A red rose in the rain.'] };

/** One cold start, in this process. */
async function startHere(name) {
  const boot = performance.now();
  const { loadPretrained } = await import('transferkit');
  const imported = performance.now();
  const [backbone, input] = tasks[name];
  const base = await loadPretrained(backbone, { engine: options.engine });
  const loaded = performance.now();
  const { values, shape } = await base.embed(input);
  const done = performance.now();
  if (!values.every(Number.isFinite)) throw new Error(`${name}: features [${shape}] that are not numbers`);
  const peakMb = Math.round(process.resourceUsage().maxRSS / 1024);
  console.log(JSON.stringify({ boot, import: imported - boot, load: loaded - imported, predict: done - loaded, peakMb }));
}

/** Starts a process and waits for its figures. */
function startOnce(name) {
  return new Promise((found, failed) => {
    const started = performance.now();
    const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...positionals, '--engine', options.engine, '--here', name], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let printed = '';
    let ms = 0;
    child.stdout.on('data', (bytes) => {
      ms = performance.now() - started;
      printed += bytes;
    });
    child.on('error', failed);
    child.on('close', (status) => (status === 0 ? found({ ms, ...JSON.parse(printed) }) : failed(new Error(`${name}: status ${status}`))));
  });
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function measure(name) {
  await startOnce(name);
  const runs = [];
  for (let run = 0; run < Number(options.runs); run++) runs.push(await startOnce(name));
  const parts = ['ms', 'boot', 'import', 'load', 'predict'];
  const medians = Object.fromEntries(parts.map((part) => [part, Math.round(median(runs.map((run) => run[part])))]));
  const all = runs.map((run) => Math.round(run.ms));
  return {
    work: `cold-start-${name}`,
    by: `TransferKit, ${options.engine}`,
    ...medians,
    all,
    peakMb: Math.max(...runs.map((run) => run.peakMb)),
  };
}

if (options.here !== undefined) await startHere(options.here);
else for (const name of Object.keys(tasks)) console.log(JSON.stringify(await measure(name)));
