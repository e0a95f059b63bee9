/**
 * A classifier from a table of labelled sentences (CSV, TSV or JSONL).
 *
 *   npx tsx examples/sentences.ts <table> [base] [model folder] [test table]
 *
 * `base` is a known name, hf://owner/repo, or a folder with a checkpoint; without one it is text-small, which ships with the package.
 * Without the last path, a fifth of the examples is held out for testing.
 */
import { addHead, classification, evaluate, fineTune, freezeBase, loadModel, loadPretrained } from 'transferkit';
import { table } from 'transferkit/data';

const [rows, base = 'text-small', target = 'sentences-model', testRows] = process.argv.slice(2);
if (rows === undefined) throw new Error('usage: npx tsx examples/sentences.ts <table> [base] [model folder] [test table]');

const all = await table(rows);
const split = all.split({ test: testRows === undefined ? 0.2 : 0, seed: 42 });
const test = testRows === undefined ? split.test : await table(testRows);

using model = addHead(freezeBase(await loadPretrained<'text'>(base)), classification(all.labels));
const { plan, history } = await fineTune(model, split.train);
console.log(plan.describe());
console.log(`features in ${history.seconds.features.toFixed(1)} s, training in ${history.seconds.training.toFixed(1)} s\n`);

console.log((await evaluate(model, test)).summary());
await model.save(target);

using saved = await loadModel<'text'>(target);
const first = test.items[0]!;
const { label, confidence } = await saved.predict(first.input as string);
console.log(`\nsaved to ${target}; "${String(first.input)}" is ${label} (${(100 * confidence).toFixed(0)} %)`);
