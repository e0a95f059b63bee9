/**
 * How long tfjs-node takes for the works that the engines are compared on, in plain tfjs as a user would write it: nothing of
 * TransferKit is imported.
 *
 *   taskset -c 0,1 node bench/engines-tfjs-node.mjs <folder with tfjs-node> <data folder> <all-MiniLM-L6-v2 folder>
 *     [--only <work>,...] [--repeats 7] [--warmup 2] [--epochs 10]
 *
 * `node_modules` of the first folder holds a working @tensorflow/tfjs-node 4.22.0. The data folder holds
 * `weights/mobilenet-v2-1.0-224.huggingface` and `images/flowers/{train,test}/<class>/*.jpg`. Each work runs in a process of its own and
 * prints one JSON line, as `engines_reference.py` does: milliseconds a batch (median, all), `peakMb`, the most memory of that process.
 * Pixels, token ids, labels and the start of the head are the same formulas, so `check` and `firstLoss` of both programs are the same
 * numbers; where a training's loss does not fall, it stops with an error.
 *
 * The networks for photos are LayersModels, the BERT is written in operations. A training step: forward, cross-entropy of a dense layer
 * with 5 classes, `variableGrads`, all gradients clipped to length 1, AdamW: tfjs's own Adam after the weights' decay, which it
 * does not have. `flowers-recipe` is what `engines_keras.py` does: photos decoded and resized anew in each epoch, in batches of 32, the
 * frozen base in inference mode, dropout 0.2 and a dense layer with Adam 1e-4; seconds, and `tenEpochs` as there.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const usage = 'usage: node bench/engines-tfjs-node.mjs <folder with tfjs-node> <data folder> <all-MiniLM-L6-v2 folder>';
const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    only: { type: 'string' },
    repeats: { type: 'string', default: '7' },
    warmup: { type: 'string', default: '2' },
    epochs: { type: 'string', default: '10' },
  },
});
const [packages, data, minilm] = positionals;
if (minilm === undefined) throw new Error(usage);

const works = [
  'mobilenet-features',
  'resnet-features',
  'minilm-embeddings',
  'mobilenet-step-frozen-statistics',
  'mobilenet-step',
  'minilm-step',
  'minilm-step-dropout',
  'flowers-recipe',
];
const wanted = options.only?.split(',') ?? works;
const unknown = wanted.find((name) => !works.includes(name));
if (unknown !== undefined) throw new Error(`no work "${unknown}"; known: ${works.join(', ')}`);
if (!existsSync(join(packages, 'node_modules/@tensorflow/tfjs-node'))) throw new Error(`no tfjs-node in ${packages}; ${usage}`);

const threads = '2';
const env = {
  ...process.env,
  TRANSFERKIT_TFJS_NODE_DIR: resolve(packages),
  TF_NUM_INTRAOP_THREADS: threads,
  OMP_NUM_THREADS: threads,
  TF_CPP_MIN_LOG_LEVEL: '3',
};
const [repeats, warmup, epochs] = [options.repeats, options.warmup, options.epochs].map(Number);
const program = fileURLToPath(new URL('./engines-tfjs-node/work.mjs', import.meta.url));
for (const work of wanted) {
  const settings = JSON.stringify({ work, data, minilm, repeats, warmup, epochs });
  const { status } = spawnSync(process.execPath, [program, settings], { env, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${work} stopped with status ${status}`);
}
