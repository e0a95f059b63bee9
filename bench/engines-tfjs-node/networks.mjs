/** The networks of engines-tfjs-node.mjs, in plain tfjs, and tfjs-node itself. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** From the folder that `TRANSFERKIT_TFJS_NODE_DIR` names; engines-tfjs-node.mjs sets it. */
export const tf = createRequire(join(process.env.TRANSFERKIT_TFJS_NODE_DIR, 'package.json'))('@tensorflow/tfjs-node');

/** Height and width of photos. */
export const side = 224;

/** A safetensors file of float32 tensors, by name. */
function readTensors(path) {
  const bytes = readFileSync(path);
  const headerEnd = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, headerEnd).toString());
  return (name) => {
    const { dtype, shape, data_offsets: offsets } = header[name];
    if (dtype !== 'F32') throw new Error(`${name} of ${path} is ${dtype}, expected F32`);
    const [start, end] = offsets.map((offset) => bytes.byteOffset + headerEnd + offset);
    return tf.tensor(new Float32Array(bytes.buffer.slice(start, end)), shape);
  };
}

// One operation: tfjs's ReLU layer with a maximum makes two of it and costs a training step half as much again or more.
const relu6 = () => tf.layers.activation({ activation: 'relu6' });

/** Convolution (depthwise where `filters` is left out), normalisation and activation. Notes the module that has its weights. */
function convolve(input, { filters, kernelSize = 1, strides = 1, activation = relu6, epsilon = 1e-3, module }, modules) {
  const settings = { kernelSize, strides, padding: 'same', useBias: false };
  const convolution = filters === undefined ? tf.layers.depthwiseConv2d(settings) : tf.layers.conv2d({ ...settings, filters });
  const normalization = tf.layers.batchNormalization({ epsilon, momentum: 0.997 });
  modules?.push({ convolution, normalization, module, depthwise: filters === undefined });
  const output = normalization.apply(convolution.apply(input));
  return activation === null ? output : activation().apply(output);
}

/** MobileNetV2 1.0 without weights: float32 [batch, 224, 224, 3] to the map [batch, 7, 7, 1280]; and where its weights are published. */
function buildMobileNet() {
  const modules = [];
  const inputs = tf.input({ shape: [side, side, 3] });
  let hidden = convolve(inputs, { filters: 32, kernelSize: 3, strides: 2, module: 'conv_stem.first_conv' }, modules);
  hidden = convolve(hidden, { kernelSize: 3, module: 'conv_stem.conv_3x3' }, modules);
  hidden = convolve(hidden, { filters: 16, activation: null, module: 'conv_stem.reduce_1x1' }, modules);
  const stages = [
    [24, 2, 2],
    [32, 3, 2],
    [64, 4, 2],
    [96, 3, 1],
    [160, 3, 2],
    [320, 1, 1],
  ];
  let block = 0;
  for (const [filters, count, stride] of stages) {
    for (let place = 0; place < count; place++, block++) {
      const from = hidden;
      hidden = convolve(hidden, { filters: from.shape[3] * 6, module: `layer.${block}.expand_1x1` }, modules);
      hidden = convolve(hidden, { kernelSize: 3, strides: place === 0 ? stride : 1, module: `layer.${block}.conv_3x3` }, modules);
      hidden = convolve(hidden, { filters, activation: null, module: `layer.${block}.reduce_1x1` }, modules);
      if (place > 0) hidden = tf.layers.add().apply([from, hidden]);
    }
  }
  const outputs = convolve(hidden, { filters: 1280, module: 'conv_1x1' }, modules);
  return { model: tf.model({ inputs, outputs }), modules };
}

/** The published MobileNetV2 in a LayersModel, down to its last map. */
export function loadMobileNet(data) {
  const read = readTensors(join(data, 'weights/mobilenet-v2-1.0-224.huggingface/model.safetensors'));
  const { model, modules } = buildMobileNet();
  for (const { convolution, normalization, module, depthwise } of modules) {
    tf.tidy(() => {
      const kernel = read(`mobilenet_v2.${module}.convolution.weight`); // [out, in, row, column], depthwise [channel, 1, row, column]
      convolution.setWeights([tf.transpose(kernel, depthwise ? [2, 3, 0, 1] : [2, 3, 1, 0])]);
      const parts = ['weight', 'bias', 'running_mean', 'running_var'];
      normalization.setWeights(parts.map((part) => read(`mobilenet_v2.${module}.normalization.${part}`)));
    });
  }
  return model;
}

/** The mean of a network's map on top of it. */
export const pooled = (model) => tf.model({ inputs: model.inputs, outputs: tf.layers.globalAveragePooling2d({}).apply(model.outputs[0]) });

/** ResNet-50, strides in the 3x3 convolutions, random weights: float32 [batch, 224, 224, 3] to [batch, 2048]. */
export function buildResNet() {
  const relu = () => tf.layers.reLU();
  const inputs = tf.input({ shape: [side, side, 3] });
  const stem = convolve(inputs, { filters: 64, kernelSize: 7, strides: 2, activation: relu, epsilon: 1e-5 });
  let hidden = tf.layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(stem);
  [3, 4, 6, 3].forEach((count, stage) => {
    const filters = 64 * 2 ** stage;
    for (let place = 0; place < count; place++) {
      const strides = place === 0 && stage > 0 ? 2 : 1;
      const plain = { activation: null, epsilon: 1e-5 };
      const shortcut = place > 0 ? hidden : convolve(hidden, { filters: filters * 4, strides, ...plain });
      hidden = convolve(hidden, { filters, activation: relu, epsilon: 1e-5 });
      hidden = convolve(hidden, { filters, kernelSize: 3, strides, activation: relu, epsilon: 1e-5 });
      hidden = convolve(hidden, { filters: filters * 4, ...plain });
      hidden = relu().apply(tf.layers.add().apply([shortcut, hidden]));
    }
  });
  return pooled(tf.model({ inputs, outputs: hidden }));
}

const normalize = (x, { gamma, beta }) => {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-12))), gamma), beta);
};

const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));

/** all-MiniLM-L6-v2 as variables, and the function from token ids to embeddings of length 1. */
export function loadMiniLm(folder) {
  const { num_hidden_layers: depth, num_attention_heads: heads } = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  const read = readTensors(join(folder, 'model.safetensors'));
  const variables = [];
  const variable = (name, transposed = false) => {
    const made = tf.variable(tf.tidy(() => (transposed ? tf.transpose(read(name)) : read(name))));
    variables.push(made);
    return made;
  };
  const dense = (name) => ({ kernel: variable(`${name}.weight`, true), bias: variable(`${name}.bias`) });
  const norm = (name) => ({ gamma: variable(`${name}.weight`), beta: variable(`${name}.bias`) });
  const tables = ['word', 'position', 'token_type'].map((name) => variable(`embeddings.${name}_embeddings.weight`));
  const first = norm('embeddings.LayerNorm');
  const blocks = Array.from({ length: depth }, (_, index) => {
    const at = `encoder.layer.${index}`;
    return {
      query: dense(`${at}.attention.self.query`),
      key: dense(`${at}.attention.self.key`),
      value: dense(`${at}.attention.self.value`),
      mixed: dense(`${at}.attention.output.dense`),
      attended: norm(`${at}.attention.output.LayerNorm`),
      grow: dense(`${at}.intermediate.dense`),
      shrink: dense(`${at}.output.dense`),
      out: norm(`${at}.output.LayerNorm`),
    };
  });
  const embed = (ids, mask, drop = (x) => x) => bertEmbedding({ tables, first, blocks, heads }, ids, mask, drop);
  return { embed, variables };
}

/** int32 [batch, length] to float32 [batch, features]. */
function bertEmbedding({ tables, first, blocks, heads }, ids, mask, drop) {
  const [batch, length] = ids.shape;
  const [words, positions, types] = tables;
  const size = words.shape[1];
  const apply = (x, { kernel, bias }) => tf.add(tf.matMul(x, kernel), bias);
  const split = (x) => tf.transpose(tf.reshape(x, [batch, length, heads, size / heads]), [0, 2, 1, 3]);
  const far = tf.mul(tf.sub(1, tf.reshape(mask, [batch, 1, 1, length])), -1e9);
  const places = tf.add(tf.slice(positions, [0, 0], [length, size]), tf.slice(types, [0, 0], [1, size]));
  const summed = tf.add(tf.gather(words, tf.reshape(ids, [-1])), tf.reshape(tf.tile(places, [batch, 1]), [-1, size]));
  let hidden = drop(normalize(summed, first)); // [batch * length, features]
  for (const block of blocks) {
    const [query, key, value] = ['query', 'key', 'value'].map((name) => split(apply(hidden, block[name])));
    const scores = tf.add(tf.mul(tf.matMul(query, key, false, true), Math.sqrt(heads / size)), far);
    const seen = tf.matMul(drop(tf.softmax(scores)), value);
    const joined = tf.reshape(tf.transpose(seen, [0, 2, 1, 3]), [batch * length, size]);
    const attended = normalize(tf.add(hidden, drop(apply(joined, block.mixed))), block.attended);
    hidden = normalize(tf.add(attended, drop(apply(gelu(apply(attended, block.grow)), block.shrink))), block.out);
  }
  const weights = tf.expandDims(mask, 2);
  const mean = tf.div(tf.sum(tf.mul(tf.reshape(hidden, [batch, length, size]), weights), 1), tf.sum(weights, 1));
  return tf.div(mean, tf.norm(mean, 'euclidean', -1, true));
}
