import { createRandom } from '../../common/random.js';
import type { OnnxNode, OnnxTensor } from '../../graph/onnx-model.js';
import { writeOnnx } from '../../graph/write-onnx.js';
import { elementCount } from '../../weights/tensor-value.js';

const node = (operator: string, inputs: readonly string[], output: string, attributes: OnnxNode['attributes'] = {}): OnnxNode => ({
  operator,
  inputs,
  outputs: [output],
  attributes,
});

/** Drawn numbers around zero. */
function drawn(shape: readonly number[], scale: number): OnnxTensor {
  const random = createRandom(elementCount(shape));
  const values = Float32Array.from({ length: elementCount(shape) }, () => (2 * random.next() - 1) * scale);
  return { type: 'float32', shape, bytes: new Uint8Array(values.buffer) };
}

const shared = { operatorSets: { '': 17 }, metadata: {} };

/** A text encoder as transformers.js has it, in little: a table, a dense layer, tanh. */
export const tinyTextGraph = (tokens: number, features: number): Uint8Array =>
  writeOnnx({
    ...shared,
    name: 'tiny-text',
    nodes: [
      node('Gather', ['table', 'input_ids'], 'words'),
      node('MatMul', ['words', 'kernel'], 'mixed'),
      node('Tanh', ['mixed'], 'last_hidden_state'),
    ],
    constants: new Map([
      ['table', drawn([tokens, features], 1)],
      ['kernel', drawn([features, features], 0.7)],
    ]),
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, type: 'int64' as const, shape: ['batch', 'tokens'] })),
    outputs: [{ name: 'last_hidden_state', type: 'float32', shape: ['batch', 'tokens', features] }],
  });

/** A photo encoder, in little: one convolution. */
export const tinyImageGraph = (features: number): Uint8Array =>
  writeOnnx({
    ...shared,
    name: 'tiny-image',
    nodes: [
      node('Conv', ['pixel_values', 'kernel'], 'edges', { strides: { ints: [4, 4] }, kernel_shape: { ints: [4, 4] } }),
      node('LeakyRelu', ['edges'], 'last_hidden_state', { alpha: { float: 0.25 } }),
    ],
    constants: new Map([['kernel', drawn([features, 3, 4, 4], 0.3)]]),
    inputs: [{ name: 'pixel_values', type: 'float32', shape: ['batch', 3, 'height', 'width'] }],
    outputs: [{ name: 'last_hidden_state', type: 'float32', shape: ['batch', features, 'rows', 'columns'] }],
  });
