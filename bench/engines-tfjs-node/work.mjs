/**
 * Measures one work in this process and prints a JSON line: what engines-tfjs-node.mjs starts, with all settings as one JSON argument.
 */
import { by, labelCount, median, peakMb, round } from './figures.mjs';
import { buildResNet, loadMiniLm, loadMobileNet, pooled, side, tf } from './networks.mjs';
import { flowersRecipe } from './recipe.mjs';

const { work, data, minilm, repeats, warmup, epochs } = JSON.parse(process.argv[2]);
const trainingBatch = 16;
const decay = 0.01;
const longest = 1;

/** float32 [count, 224, 224, 3] in -1 to 1. */
const pixels = (count) =>
  tf.tensor4d(
    Float32Array.from({ length: count * side * side * 3 }, (_, index) => Math.sin(index)),
    [count, side, side, 3],
  );

/** int32 [count, 128] */
const tokenIds = (count, length = 128) =>
  tf.tensor2d(
    Int32Array.from({ length: count * length }, (_, index) => ((index * 7919) % 28000) + 1000),
    [count, length],
    'int32',
  );

/** A dense layer whose start is a formula. */
function fixedHead(features) {
  const kernel = Float32Array.from({ length: features * labelCount }, (_, index) => Math.sin(index) * 0.05);
  return { kernel: tf.variable(tf.tensor2d(kernel, [features, labelCount])), bias: tf.variable(tf.zeros([labelCount])) };
}

/** Features of one batch. */
async function inference(features, width) {
  const step = async () => {
    const output = tf.tidy(features);
    const values = await output.data();
    output.dispose();
    return values;
  };
  const values = await step();
  if (values.length % width !== 0 || !values.every(Number.isFinite))
    throw new Error(`features: ${values.length}, expected rows of ${width}`);
  return {
    step: () => step().then(() => undefined),
    facts: { batch: values.length / width, check: [...values.slice(0, 4)].map((value) => round(value, 6)) },
  };
}

/** One step on everything in `variables` and on a head. Gives the loss. */
function trainingStep(features, variables, width, rate) {
  const head = fixedHead(width);
  const learning = [...variables, head.kernel, head.bias];
  const labels = Int32Array.from({ length: trainingBatch }, (_, index) => index % labelCount);
  const targets = tf.oneHot(tf.tensor1d(labels, 'int32'), labelCount);
  const optimizer = tf.train.adam(rate, 0.9, 0.999, 1e-8);
  const loss = () => tf.losses.softmaxCrossEntropy(targets, tf.add(tf.matMul(features(), head.kernel), head.bias));
  const step = async () => {
    const value = tf.tidy(() => {
      const found = tf.variableGrads(loss, learning);
      const squares = Object.values(found.grads).map((gradient) => tf.sum(tf.square(gradient)));
      const scale = tf.minimum(tf.div(longest, tf.add(tf.sqrt(tf.addN(squares)), 1e-6)), 1);
      const clipped = Object.fromEntries(Object.entries(found.grads).map(([name, gradient]) => [name, tf.mul(gradient, scale)]));
      for (const variable of learning) variable.assign(tf.mul(variable, 1 - rate * decay));
      optimizer.applyGradients(clipped);
      return found.value;
    });
    const [number] = await value.data();
    value.dispose();
    return number;
  };
  const count = learning.reduce((sum, variable) => sum + variable.size, 0);
  return { step, facts: { batch: trainingBatch, learning: count } };
}

function mobileNetStep(training) {
  const model = pooled(loadMobileNet(data));
  const batch = pixels(trainingBatch);
  const variables = model.trainableWeights.map((weight) => weight.read());
  return trainingStep(() => model.apply(batch, { training }), variables, 1280, 1e-5);
}

function miniLmStep(rate) {
  const { embed, variables } = loadMiniLm(minilm);
  const ids = tokenIds(trainingBatch);
  const mask = tf.ones(ids.shape);
  const drop = rate === 0 ? undefined : (x) => tf.dropout(x, rate);
  return trainingStep(() => embed(ids, mask, drop), variables, 384, 1e-4);
}

function miniLmEmbeddings() {
  const { embed } = loadMiniLm(minilm);
  const ids = tokenIds(32);
  const mask = tf.ones(ids.shape);
  return inference(() => embed(ids, mask), 384);
}

function photoFeatures(model, count, width) {
  const batch = pixels(count);
  return inference(() => model.predict(batch), width);
}

const works = {
  'mobilenet-features': () => photoFeatures(pooled(loadMobileNet(data)), 16, 1280),
  'resnet-features': () => photoFeatures(buildResNet(), 8, 2048),
  'minilm-embeddings': miniLmEmbeddings,
  'mobilenet-step-frozen-statistics': () => mobileNetStep(false),
  'mobilenet-step': () => mobileNetStep(true),
  'minilm-step': () => miniLmStep(0),
  'minilm-step-dropout': () => miniLmStep(0.1),
};

async function measure(name) {
  const { step, facts } = await works[name]();
  const times = [];
  const losses = [];
  const tensors = [];
  for (let run = 0; run < warmup + repeats; run++) {
    const started = performance.now();
    const loss = await step();
    if (run >= warmup) times.push(performance.now() - started);
    if (loss !== undefined) losses.push(loss);
    tensors.push(tf.memory().numTensors);
  }
  if (new Set(tensors.slice(1)).size > 1) throw new Error(`${name} leaks tensors: ${tensors.join(', ')}`);
  if (losses.length > 0 && !(losses.at(-1) < losses[0])) throw new Error(`${name}: the loss does not fall: ${losses.join(', ')}`);
  const learnt = losses.length > 0 ? { firstLoss: round(losses[0], 6), lastLoss: round(losses.at(-1), 6) } : {};
  const all = times.map((time) => round(time));
  return { work: name, by: by(), ms: median(all), all, ...facts, ...learnt, peakMb: peakMb() };
}

console.log(JSON.stringify(work === 'flowers-recipe' ? await flowersRecipe(data, epochs) : await measure(work)));
