/** The tutorial's recipe over all flowers, in tfjs-node. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { loadMobileNet, pooled, side, tf } from './networks.mjs';
import { by, labelCount, median, peakMb, round } from './figures.mjs';

/** Photos of a folder with one folder a class. */
function listPhotos(folder) {
  const classes = readdirSync(folder).sort();
  return classes.flatMap((name, label) =>
    readdirSync(join(folder, name))
      .sort()
      .map((file) => ({ path: join(folder, name, file), label })),
  );
}

/** Batches of 32, each read while the one before is computed: float32 [32, 224, 224, 3] in -1 to 1, and labels. Caller disposes. */
async function* batchesOf(photos) {
  const read = async (start) => {
    const chunk = photos.slice(start, start + 32);
    return { labels: chunk.map(({ label }) => label), files: await Promise.all(chunk.map(({ path }) => readFile(path))) };
  };
  let next = read(0);
  for (let start = 0; start < photos.length; start += 32) {
    const { files, labels } = await next;
    next = read(start + 32);
    const images = tf.tidy(() => {
      const resized = files.map((bytes) => tf.image.resizeBilinear(tf.node.decodeJpeg(bytes, 3), [side, side], false, true));
      return tf.sub(tf.div(tf.stack(resized), 127.5), 1);
    });
    yield { images, labels };
  }
}

function shuffle(items) {
  const shuffled = [...items];
  tf.util.shuffle(shuffled);
  return shuffled;
}

async function trainEpoch(base, head, photos) {
  let sum = 0;
  for await (const { images, labels } of batchesOf(shuffle(photos))) {
    const features = base.predict(images);
    const targets = tf.tensor1d(labels, 'float32');
    const [loss] = [await head.trainOnBatch(features, targets)].flat();
    sum += loss * labels.length;
    tf.dispose([images, features, targets]);
  }
  return sum / photos.length;
}

async function accuracyOn(base, head, photos) {
  let right = 0;
  for await (const { images, labels } of batchesOf(photos)) {
    const found = tf.tidy(() => tf.argMax(head.predict(base.predict(images)), 1));
    const predicted = await found.data();
    right += labels.filter((label, index) => label === predicted[index]).length;
    tf.dispose([images, found]);
  }
  return right / photos.length;
}

/** The tutorial's recipe over all flowers. */
export async function flowersRecipe(data, epochCount) {
  const base = pooled(loadMobileNet(data));
  const [train, test] = ['train', 'test'].map((part) => listPhotos(join(data, 'images/flowers', part)));
  const head = tf.sequential({
    layers: [tf.layers.dropout({ rate: 0.2, inputShape: [1280] }), tf.layers.dense({ units: labelCount, activation: 'softmax' })],
  });
  head.compile({ optimizer: tf.train.adam(1e-4), loss: 'sparseCategoricalCrossentropy' });
  const start = performance.now(); // of this process, so with its imports
  const epochs = [];
  const losses = [];
  for (let epoch = 0; epoch < epochCount; epoch++) {
    const begin = performance.now();
    losses.push(round(await trainEpoch(base, head, train), 4));
    epochs.push(round((performance.now() - begin) / 1000));
  }
  if (losses.length > 1 && !(losses.at(-1) < losses[0])) throw new Error(`flowers-recipe: the loss does not fall: ${losses.join(', ')}`);
  const before = performance.now();
  const accuracy = round(await accuracyOn(base, head, test), 4);
  const seconds = { start: start / 1000, evaluation: (performance.now() - before) / 1000, whole: performance.now() / 1000 };
  const tenEpochs = seconds.start + 10 * median(epochs.length > 1 ? epochs.slice(1) : epochs) + seconds.evaluation;
  const rounded = Object.fromEntries(Object.entries({ ...seconds, tenEpochs }).map(([name, value]) => [name, round(value)]));
  return { work: 'flowers-recipe', by: by(), photos: [train.length, test.length], epochs, ...rounded, losses, accuracy, peakMb: peakMb() };
}
