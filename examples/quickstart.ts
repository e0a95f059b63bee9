/**
 * The whole of TransferKit in half a minute, offline: two networks that ship with it learn two new tasks.
 *
 *   npm run quickstart [-- folder for the models]
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addHead, classification, evaluate, fineTune, freezeBase, loadModel, runtime } from 'transferkit';
import type { Base, ClassificationReport, FineTuned, Modality, Model, TrainingPlan } from 'transferkit';
import { mobilenetV2 } from 'transferkit/backbones/mobilenet-v2';
import { staticEmbedding } from 'transferkit/backbones/static-embedding';
import { imageFolder, table, type Dataset } from 'transferkit/data';
import { bar, bold, caption, cut, faint, good, heading, indent, percent, poor, say, spaceForBar, wrap } from './support/screen.js';
import { untrainedTwin } from './support/untrained-twin.js';

const started = performance.now();
const models = process.argv[2] ?? 'quickstart-models';
const data = (name: string): string => fileURLToPath(new URL(`data/${name}`, import.meta.url));

/** Messages that are in no file, and the team that should get each. */
const newMessages: readonly (readonly [text: string, team: string])[] = [
  ['You took the money for my order twice.', 'billing'],
  ['the courier left my parcel with a stranger, gone now', 'delivery'],
  ["I can't get into my account since I changed phones.", 'account'],
  ['Would there be work for a student in the evenings?', 'jobs'],
  ['After the update the screen stays black.', 'technical'],
  ['My new chair has a broken leg, can I swap it?', 'returns'],
  ['I returned the shoes and you charged me for postage.', 'billing'],
];

/** What is going to be done, before the bar starts. */
function showPlan({ decisions }: TrainingPlan): void {
  caption('The plan');
  say(...decisions.map((decision) => wrap(decision, '  - ', '    ')));
  spaceForBar();
}

/** How long it took, and the figures on examples that were kept aside. */
function showTraining({ history }: FineTuned<unknown>, report: ClassificationReport): void {
  const { epochs, ended, seconds } = history;
  const why = ended === 'early-stopping' ? ' (no better result on the held-out examples after that)' : '';
  say(faint(`  ${epochs.length} epochs${why}, ${(seconds.features + seconds.training).toFixed(1)} s`));
  caption(`How good it is: ${report.count} examples that it has not seen`);
  say(indent(report.summary()));
}

/** How well the same head does on the same examples when the network under it knows nothing. */
async function withoutPretraining<M extends Modality>(untrained: Base<M>, train: Dataset<M, string>, test: Dataset<M, string>) {
  using model = addHead(freezeBase(untrained), classification(train.labels));
  await fineTune(model, train, { progress: false });
  return await evaluate(model, test);
}

/** The gain of starting from a pretrained network. */
function showGain(name: string, trained: ClassificationReport, untrained: ClassificationReport): void {
  const row = (label: string, accuracy: number, note: string): string =>
    `  ${label.padEnd(25)} ${bar(accuracy)} ${percent(accuracy).padStart(5)}   ${faint(note)}`;
  const range = ({ interval }: ClassificationReport): string => `${percent(interval.accuracy.low)} to ${percent(interval.accuracy.high)}`;
  caption('What pretraining is worth: same network, same head, same examples, other starting weights');
  say(row(`${name}, as it ships`, trained.accuracy, range(trained)));
  say(row('with random weights', untrained.accuracy, range(untrained)));
  say(row('always the same answer', trained.baseline.accuracy, ''));
  const points = 100 * (trained.accuracy - untrained.accuracy);
  say(`  Gain: ${bold(`${points.toFixed(0)} points`)}. ${faint('Ranges are 95 % intervals, from the choice of test examples.')}`);
}

/** Predictions beside the truth, the right and the wrong ones. */
async function showPredictions<M extends Modality>(
  model: Model<M>,
  inputs: readonly (readonly [input: string, truth: string])[],
  show: (input: string) => string,
) {
  const predictions = await model.predict(inputs.map(([input]) => input) as never[]);
  for (const [index, { label, confidence }] of predictions.entries()) {
    const [input, truth] = inputs[index]!;
    const verdict = label === truth ? good('right') : poor(`wrong: ${truth}`);
    say(`  ${cut(show(input), 54).padEnd(54)}  ${label.padEnd(9)} ${percent(confidence).padStart(5)}  ${verdict}`);
  }
}

/** Saves a model, and says where, what and whether there was one before. */
async function keep(model: { save(path: string): Promise<void> }, name: string): Promise<string> {
  const folder = join(models, name);
  const before = existsSync(folder);
  await model.save(folder);
  const files = readdirSync(folder);
  const bytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  caption('Saved');
  say(`  ${bold(folder)}, ${(bytes / 1e6).toFixed(1)} MB${before ? ', in place of the model of an earlier run' : ''}`);
  say(faint(wrap(files.join(', '), '  ')));
  return folder;
}

async function messages(): Promise<string> {
  heading('1. Which team should answer this message?');
  const all = await table(data('tickets.csv'), { text: 'body', label: 'team' });
  const { train, test } = all.split({ test: 0.25, seed: 42 });
  say(
    wrap(
      `${all.length} messages to the support of a shop, for ${all.labels.length} teams; ${train.length} to learn from, ${test.length} kept aside.`,
    ),
  );

  const trained = await fineTune(train, { onPlan: showPlan });
  const report = await evaluate(trained.model, test);
  showTraining(trained, report);

  const folder = await keep(trained.model, 'tickets');
  trained.model.dispose();
  const untrained = await untrainedTwin(staticEmbedding, folder);
  showGain('text-small', report, await withoutPretraining(untrained, train, test));

  using saved = await loadModel<'text'>(folder);
  caption('New messages, to the model as it was saved and loaded again');
  await showPredictions(saved, newMessages, (text) => text);
  return folder;
}

async function pictures(): Promise<string> {
  heading('2. Which tree is this leaf from?');
  const all = await imageFolder(data('leaves'));
  const { train, test } = all.split({ test: 1 / 3, seed: 42 });
  say(wrap(`${all.length} pictures of leaves, from ${all.labels.length} trees; ${train.length} to learn from, ${test.length} kept aside.`));

  const trained = await fineTune(train, { onPlan: showPlan });
  const report = await evaluate(trained.model, test);
  showTraining(trained, report);

  const folder = await keep(trained.model, 'leaves');
  trained.model.dispose();
  const untrained = await untrainedTwin(mobilenetV2, folder);
  showGain('image-small', report, await withoutPretraining(untrained, train, test));

  using saved = await loadModel<'image'>(folder);
  caption('Some of the pictures that were kept aside, to the model as it was saved and loaded again');
  const some = all.labels.map((label) => test.items.find(({ target }) => target === label)!);
  await showPredictions(
    saved,
    some.map(({ input, target }) => [input as string, target] as const),
    (path) => relative(process.cwd(), path),
  );
  return folder;
}

await runtime.chooseBackend();
say(bold('TransferKit quickstart'), faint(`on ${runtime.describe()}`), '');
say(
  wrap(
    'Two small networks ship with TransferKit. Here each of them learns a new task from a few examples. The examples in examples/data ' +
      'were written and drawn for this program: small sets, good to see how it works, no measure of how well it will work on your data.',
  ),
);
const folders = [await messages(), await pictures()];
heading('Done');
const seconds = ((performance.now() - started) / 1000).toFixed(0);
say(wrap(`${seconds} seconds in all, nothing was downloaded. The models are yours: ${folders.join(' and ')}.`), '');
say(
  'With your own data, a folder of photos with one sub-folder per class, or a table:',
  '',
  '  npx tsx examples/photos.ts <folder>          npx tsx examples/sentences.ts <table.csv>',
  '',
  'or in a program:',
  '',
  "  import { fineTune } from 'transferkit';",
  "  const { model } = await fineTune('photos/');",
  "  console.log(await model.predict('new.jpg'));",
);
