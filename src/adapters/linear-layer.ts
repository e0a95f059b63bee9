import * as tf from '@tensorflow/tfjs-core';
import type { LayerVariable, layers } from '@tensorflow/tfjs-layers';

/** A layer that multiplies its input by a kernel, taken apart, so that something can be added before its activation. */
export interface LinearLayer {
  /** A dense layer's kernel is [in, out], a convolution's [height, width, in, out]. */
  readonly kind: 'dense' | 'convolution';
  readonly kernel: LayerVariable;
  readonly bias: LayerVariable | undefined;
  /** The inputs times a kernel of this layer's kind, with its strides and padding: [..., in] -> [..., out]. */
  multiply(inputs: tf.Tensor, kernel: tf.Tensor): tf.Tensor;
  /** The layer's own activation. */
  activate(outputs: tf.Tensor): tf.Tensor;
}

/** [..., in] times [in, out]: [..., out]. */
export function multiplyRows(inputs: tf.Tensor, matrix: tf.Tensor): tf.Tensor {
  const [rows, columns] = matrix.shape as [number, number];
  const product = tf.matMul(tf.reshape(inputs, [-1, rows]), matrix);
  return tf.reshape(product, [...inputs.shape.slice(0, -1), columns]);
}

type Multiply = LinearLayer['multiply'];

/** The product of a convolution with the layer's strides, padding and dilation; undefined where we cannot compute it. */
function convolution(layer: layers.Layer): Multiply | undefined {
  const { strides, padding, dilationRate, dataFormat } = layer.getConfig();
  if (dataFormat !== 'channelsLast' || (padding !== 'same' && padding !== 'valid')) return undefined;
  return (inputs, kernel) =>
    tf.conv2d(inputs as tf.Tensor4D, kernel as tf.Tensor4D, strides as [number, number], padding, 'NHWC', dilationRate as [number, number]);
}

/** How layers multiply, by their class. Depthwise, separable and transposed convolutions are other classes. */
const products: Readonly<Record<string, readonly [LinearLayer['kind'], (layer: layers.Layer) => Multiply | undefined]>> = {
  Dense: ['dense', () => multiplyRows],
  Conv2D: ['convolution', convolution],
};

/** A layer taken apart; undefined for layers of another kind. */
export function linearLayer(layer: layers.Layer): LinearLayer | undefined {
  const name = layer.getClassName();
  const [kind, productOf] = Object.hasOwn(products, name) ? products[name]! : [];
  const multiply = productOf?.(layer);
  const weight = (part: string) => layer.weights.find(({ originalName }) => originalName.split('/').at(-1) === part);
  const kernel = weight('kernel');
  if (kind === undefined || multiply === undefined || kernel === undefined) return undefined;
  // tfjs keeps the activation to the class; both classes have it, and it is never null once they are built.
  const { activation } = layer as unknown as { readonly activation: { apply(outputs: tf.Tensor): tf.Tensor } };
  return { kind, kernel, bias: weight('bias'), multiply, activate: (outputs) => activation.apply(outputs) };
}

/**
 * What the layer computes, with the inputs' product changed by `adapt` before bias and activation are applied. Written without
 * tfjs's fused products: their gradient always forms that of the kernel, which is the largest part and is thrown away where the
 * kernel is frozen.
 */
export function applyLinear(linear: LinearLayer, inputs: tf.Tensor, adapt: (product: tf.Tensor) => tf.Tensor): tf.Tensor {
  return tf.tidy(() => {
    const adapted = adapt(linear.multiply(inputs, linear.kernel.read()));
    return linear.activate(linear.bias === undefined ? adapted : tf.add(adapted, linear.bias.read()));
  });
}
