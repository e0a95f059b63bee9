import * as tf from '@tensorflow/tfjs-core';
import type { LayerVariable, layers } from '@tensorflow/tfjs-layers';
import type { BatchNormalization } from './batch-normalization.js';

/** Numbers that convolutions of all kinds are called with. */
interface Geometry {
  readonly strides: [number, number];
  readonly pad: 'same' | 'valid';
  readonly dilations: [number, number];
}

type Convolve = (values: tf.Tensor4D, filter: tf.Tensor4D, geometry: Geometry, bias?: tf.Tensor1D) => tf.Tensor;

/** A kind of convolution. */
interface ConvolutionKind {
  /** Whether tfjs's layer keeps to its setting of a dilation. */
  readonly dilates: boolean;
  /** float32 [out] as it is multiplied with the kernel. */
  readonly alongKernel: (factor: tf.Tensor, kernel: tf.Tensor) => tf.Tensor;
  readonly convolve: Convolve;
}

/** Layers that only convolve, by their class. */
const kinds: Readonly<Record<string, ConvolutionKind>> = {
  Conv2D: {
    dilates: true,
    alongKernel: (factor) => factor, // [height, width, in, out] times [out]
    convolve: (x, filter, { strides, pad, dilations }, bias) =>
      bias === undefined
        ? tf.conv2d(x, filter, strides, pad, 'NHWC', dilations)
        : tf.fused.conv2d({ x, filter, strides, pad, dilations, bias }),
  },
  DepthwiseConv2D: {
    dilates: false,
    alongKernel: (factor, kernel) => tf.reshape(factor, kernel.shape.slice(2)), // [height, width, in, multiplier] times [in, multiplier]
    convolve: (x, filter, { strides, pad }, bias) =>
      bias === undefined ? tf.depthwiseConv2d(x, filter, strides, pad) : tf.fused.depthwiseConv2d({ x, filter, strides, pad, bias }),
  },
};

/** What a convolution and the normalisation behind it compute together. */
export type NormalizedConvolution = (inputs: readonly tf.Tensor[]) => tf.Tensor;

/**
 * A sum with one number for each channel. Kernels that add it themselves spare a pass over the data. Where gradients are derived the sum
 * stands for itself, because the gradient of a fused kernel forms the filter's share always, needed or not.
 */
function convolveAndAdd(convolve: Convolve, values: tf.Tensor4D, filter: tf.Tensor4D, geometry: Geometry, shift: tf.Tensor1D): tf.Tensor {
  const deriving = tf.engine().state.gradientDepth > 0;
  return deriving ? tf.add(convolve(values, filter, geometry), shift) : convolve(values, filter, geometry, shift);
}

/**
 * A convolution without activation, and a normalisation by moving statistics behind it, as one convolution: the normalisation is a
 * product and a sum for each channel, and what is multiplied afterwards can be multiplied into the kernel before. That spares two passes
 * over the largest tensors of a network and, in training, those of their gradients.
 *
 * @returns undefined for a layer that does anything else
 */
export function normalizedConvolution(layer: layers.Layer, normalization: BatchNormalization): NormalizedConvolution | undefined {
  const name = layer.getClassName();
  const kind = Object.hasOwn(kinds, name) ? kinds[name]! : undefined;
  if (kind === undefined) return undefined;
  const { strides, padding, dataFormat, dilationRate, activation } = layer.getConfig();
  if (activation !== 'linear' || dataFormat !== 'channelsLast' || (padding !== 'same' && padding !== 'valid')) return undefined;
  const dilations = (kind.dilates ? dilationRate : [1, 1]) as [number, number];
  const geometry: Geometry = { strides: strides as [number, number], pad: padding, dilations };
  const [kernel, bias] = layer.weights as [LayerVariable, LayerVariable?];
  return ([values]) =>
    tf.tidy(() => {
      const { factor, shift } = normalization.affine();
      const filter = tf.mul(kernel.read(), kind.alongKernel(factor, kernel.read()));
      const moved = bias === undefined ? shift : tf.add(tf.mul(bias.read(), factor), shift);
      return convolveAndAdd(kind.convolve, values as tf.Tensor4D, filter as tf.Tensor4D, geometry, moved as tf.Tensor1D);
    });
}
