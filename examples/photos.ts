/**
 * A classifier from a folder of photos, one sub-folder per class.
 *
 *   npx tsx examples/photos.ts <photos> [base] [model folder] [test photos]
 *
 * `base` is a known name, hf://owner/repo, or a folder with a checkpoint; without one it is image-small, which ships with the package.
 * Without the last path, a fifth of the examples is held out for testing.
 */
import { addHead, classification, evaluate, fineTune, freezeBase, loadModel, loadPretrained } from 'transferkit';
import { imageFolder } from 'transferkit/data';

const [photos, base = 'image-small', target = 'photos-model', testPhotos] = process.argv.slice(2);
if (photos === undefined) throw new Error('usage: npx tsx examples/photos.ts <photos> [base] [model folder] [test photos]');

const all = await imageFolder(photos, { onBadItem: 'skip' });
const split = all.split({ test: testPhotos === undefined ? 0.2 : 0, seed: 42 });
const test = testPhotos === undefined ? split.test : await imageFolder(testPhotos, { onBadItem: 'skip' });

using model = addHead(freezeBase(await loadPretrained<'image'>(base)), classification(all.labels));
const { plan, history } = await fineTune(model, split.train);
console.log(plan.describe());
console.log(`features in ${history.seconds.features.toFixed(1)} s, training in ${history.seconds.training.toFixed(1)} s\n`);

const report = await evaluate(model, test);
console.log(report.summary());
for (const { id, reason } of report.skipped) console.log(`left out: ${id}: ${reason}`);
await model.save(target);

using saved = await loadModel<'image'>(target);
const first = test.items[0]!;
const { label, confidence } = await saved.predict(first.input as string);
console.log(`\nsaved to ${target}; ${first.id} is ${label} (${(100 * confidence).toFixed(0)} %)`);
