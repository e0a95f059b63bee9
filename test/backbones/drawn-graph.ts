import { writeOnnx } from '../../src/graph/write-onnx.js';
import type { OnnxModel, OnnxNode, OnnxTensor, OnnxType, OnnxValue } from '../../src/graph/onnx-model.js';
import type { JsonObject } from '../../src/common/json.js';
import { memory } from '../../src/sources/memory.js';
import type { Source } from '../../src/sources/source.js';

export const node = (operator: string, inputs: readonly string[], output: string, attributes: OnnxNode['attributes'] = {}): OnnxNode => ({
  operator,
  inputs,
  outputs: [output],
  attributes,
});

export const value = (name: string, shape: OnnxValue['shape'], type: OnnxType = 'float32'): OnnxValue => ({ name, type, shape });

/** 0, 0.1, 0.2 ... */
export const counted = (...shape: number[]): OnnxTensor => {
  const values = Float32Array.from({ length: shape.reduce((product, size) => product * size, 1) }, (_, index) => (index % 17) / 10);
  return { type: 'float32', shape, bytes: new Uint8Array(values.buffer) };
};

export const tokens = (
  name: string,
  type: OnnxType = 'int64',
  length: number | string = 'tokens',
  batch: number | string = 'batch',
): OnnxValue => value(name, [batch, length], type);

/** A text graph: a table of 30 tokens and 4 features, unless it is said otherwise. */
export const textGraph = (over: Partial<OnnxModel> = {}): Uint8Array =>
  writeOnnx({
    name: 'text',
    nodes: [node('Gather', ['table', 'input_ids'], 'last_hidden_state')],
    constants: new Map([['table', counted(30, 4)]]),
    inputs: [tokens('input_ids'), tokens('attention_mask')],
    outputs: [value('last_hidden_state', ['batch', 'tokens', 4])],
    operatorSets: { '': 17 },
    metadata: {},
    ...over,
  });

export const vocabulary = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'a', 'red', 'rose', 'blue', 'sky', 'late', 'train'].join('\n');

/** What a repository with graphs holds, in memory. */
export const graphSource = (files: Readonly<Record<string, string | Uint8Array>>, config: JsonObject = {}): Source =>
  memory({ tensors: {}, config, files: { 'vocab.txt': vocabulary, ...files }, origin: 'drawn' });

export const textSource = (over: Partial<OnnxModel> = {}, config: JsonObject = {}): Source =>
  graphSource({ 'onnx/model.onnx': textGraph(over) }, config);

export const preprocessor = (size: number): string =>
  JSON.stringify({ size: { height: size, width: size }, image_mean: [0, 0, 0], image_std: [1, 1, 1], do_rescale: false });

/** A photo graph that hands its pixels on as a map, unless it is said otherwise. */
export const imageGraph = (over: Partial<OnnxModel> = {}): Uint8Array =>
  writeOnnx({
    name: 'image',
    nodes: [node('Neg', ['pixel_values'], 'last_hidden_state')],
    constants: new Map(),
    inputs: [value('pixel_values', ['batch', 3, 'height', 'width'])],
    outputs: [value('last_hidden_state', ['batch', 3, 'height', 'width'])],
    operatorSets: { '': 17 },
    metadata: {},
    ...over,
  });
