// Loads exported folders with transformers.js and compares what it gives with what TransferKit gave. Made for @huggingface/transformers
// 4.3.1 and tested with it; it is no dependency of this package, so it is found from a folder in which it was installed:
//
//   npm install --ignore-scripts @huggingface/transformers@4.3.1       (in some other folder)
//   npx tsx tools/exports/write-exports.ts <exports>
//   node tools/exports/transformers-js.mjs <other folder> <exports>
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const [installed, exportsFolder] = process.argv.slice(2).map((path) => resolve(path));
if (exportsFolder === undefined) throw new Error('usage: node tools/exports/transformers-js.mjs <folder of node_modules> <exports>');
const entry = createRequire(join(installed, 'package.json')).resolve('@huggingface/transformers');
const { AutoModel, AutoTokenizer, env, pipeline } = await import(pathToFileURL(entry).href);
env.allowRemoteModels = false;

/** What may be lost by precision. */
const limits = { float32: 1e-4, float16: 3e-2, int8: 0.05 };

const difference = (one, other) => {
  if (one.length !== other.length) throw new Error(`${one.length} numbers instead of ${other.length}`);
  return one.reduce((most, value, index) => Math.max(most, Math.abs(value - other[index])), 0);
};
const scoresOf = (answers, labels) => labels.map((label) => answers.find((answer) => answer.label === label).score);

/** Scores of a model's inputs. */
async function classified(folder, { modality, inputs, predictions }) {
  const labels = Object.keys(predictions[0].scores);
  const classify = await pipeline(modality === 'image' ? 'image-classification' : 'text-classification', folder);
  const answers = [];
  for (const input of inputs) answers.push(scoresOf(await classify(input, { top_k: null }), labels));
  if (modality === 'text') {
    const together = await classify(inputs, { top_k: null });
    together.forEach((answer, index) => {
      if (difference(scoresOf(answer, labels), answers[index]) > 1e-4) throw new Error('a batch gives other scores than its texts alone');
    });
  }
  await classify.dispose();
  return answers.map((scores, index) =>
    difference(
      scores,
      labels.map((label) => predictions[index].scores[label]),
    ),
  );
}

/** Features of a base's inputs, relative to the largest. */
async function embedded(folder, { modality, inputs, values, shape }) {
  const width = shape[1];
  const rows = inputs.map((_, index) => values.slice(index * width, (index + 1) * width));
  const largest = Math.max(1, ...values.map(Math.abs));
  const features = [];
  if (modality === 'image') {
    const extract = await pipeline('image-feature-extraction', folder);
    for (const input of inputs) features.push([...(await extract(input, { pool: true })).data]);
    await extract.dispose();
  } else {
    const [tokenizer, model] = [await AutoTokenizer.from_pretrained(folder), await AutoModel.from_pretrained(folder)];
    const { sentence_embedding } = await model(tokenizer(inputs, { padding: true, truncation: true }));
    features.push(...inputs.map((_, index) => [...sentence_embedding.data.slice(index * width, (index + 1) * width)]));
    const extract = await pipeline('feature-extraction', folder);
    const { dims } = await extract(inputs[0]);
    if (dims.length !== 3 || dims[2] !== width) throw new Error(`feature-extraction gives [${dims}]`);
    await model.dispose();
    await extract.dispose();
  }
  return features.map((row, index) => difference(row, rows[index]) / largest);
}

let failed = 0;
for (const name of JSON.parse(readFileSync(join(exportsFolder, 'exports.json'), 'utf8'))) {
  const expected = JSON.parse(readFileSync(join(exportsFolder, `${name}.json`), 'utf8'));
  const found = await (expected.kind === 'model' ? classified : embedded)(join(exportsFolder, name), expected);
  // the second picture is a photo that each library resizes by a filter of its own: shown, not judged
  const judged = expected.modality === 'image' ? found.slice(0, 1) : found;
  const holds = judged.every((value) => value <= limits[expected.precision]);
  failed += holds ? 0 : 1;
  const shown = found.map((value, index) => (index < judged.length ? value.toExponential(1) : `(resized ${value.toExponential(1)})`));
  console.log(holds ? 'ok  ' : 'FAIL', name.padEnd(38), shown.join('  '));
}
console.log(failed === 0 ? `all as TransferKit has it, in transformers.js ${env.version}` : `${failed} differ`);
process.exitCode = failed === 0 ? 0 : 1;
