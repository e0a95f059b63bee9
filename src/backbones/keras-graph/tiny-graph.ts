import type { JsonObject } from '../../common/json.js';
import type { GraphLayer, KerasGraph } from './graph.js';

const convolution = (name: string, filters: number, strides: number, more: JsonObject = {}): GraphLayer => ({
  name,
  className: 'Conv2D',
  config: { filters, kernel_size: [3, 3], strides: [strides, strides], padding: 'same', use_bias: false, kernel_initializer: {}, ...more },
});

const normalization = (name: string, scale: boolean): GraphLayer => ({
  name,
  className: 'BatchNormalization',
  config: { axis: -1, epsilon: 1e-3, scale },
});
const layer = (name: string, className: string, config: JsonObject = {}): GraphLayer => ({ name, className, config });

/** A network with one of each: a residual block, normalisation with and without scale, dropout, pooling, a head that is cut off. */
export const tinyGraph: KerasGraph = {
  layers: [
    layer('photo', 'InputLayer', { batch_input_shape: [null, 32, 32, 3] }),
    convolution('conv_a', 8, 2),
    normalization('conv_a_bn', false),
    layer('conv_a_relu', 'ReLU', { max_value: 6 }),
    convolution('conv_b', 8, 1),
    normalization('conv_b_bn', true),
    layer('add', 'Add'),
    layer('pool', 'MaxPooling2D', { pool_size: [2, 2], strides: [2, 2], padding: 'valid' }),
    layer('dropout', 'Dropout', { rate: 0.1 }),
    convolution('conv_c', 16, 2, { use_bias: true, activation: 'relu' }),
    layer('flatten', 'Flatten'),
    layer('classes', 'Dense', { units: 3, activation: 'softmax', use_bias: true }),
  ],
  calls: [
    { layer: 'photo', inputs: [] },
    { layer: 'conv_a', inputs: [[0, 0]] },
    { layer: 'conv_a_bn', inputs: [[1, 0]] },
    { layer: 'conv_a_relu', inputs: [[2, 0]] },
    { layer: 'conv_b', inputs: [[3, 0]] },
    { layer: 'conv_b_bn', inputs: [[4, 0]] },
    { layer: 'add', inputs: [[3, 0], [5, 0]] }, // prettier-ignore
    { layer: 'pool', inputs: [[6, 0]] },
    { layer: 'dropout', inputs: [[7, 0]] },
    { layer: 'conv_c', inputs: [[8, 0]] },
    { layer: 'flatten', inputs: [[9, 0]] },
    { layer: 'classes', inputs: [[10, 0]] },
  ],
  outputs: [[11, 0]],
};
