import * as tf from '@tensorflow/tfjs-core';
import { layers } from '@tensorflow/tfjs-layers';
import { unknownName } from '../common/nearest-name.js';
import { onlyInput } from './call-keywords.js';
import { gelu, tanhGelu } from './gelu.js';

type ElementFunction = (values: tf.Tensor) => tf.Tensor;

const silu: ElementFunction = (values) => tf.mul(values, tf.sigmoid(values));

/** Activation functions by the names that published configurations use. */
const functions: Readonly<Record<string, ElementFunction>> = {
  gelu,
  gelu_python: gelu,
  gelu_new: tanhGelu,
  gelu_fast: tanhGelu,
  gelu_pytorch_tanh: tanhGelu,
  quick_gelu: (values) => tf.mul(values, tf.sigmoid(tf.mul(values, 1.702))),
  relu: (values) => tf.relu(values),
  relu6: (values) => tf.relu6(values),
  silu,
  swish: silu,
  sigmoid: (values) => tf.sigmoid(values),
  tanh: (values) => tf.tanh(values),
  linear: (values) => tf.clone(values),
};

/** Names that `Activation` knows. */
export const activationNames: readonly string[] = Object.keys(functions);

/** Settings of `Activation`. */
export interface ActivationArguments {
  readonly name: string;
  /** One of `activationNames`. */
  readonly activation: string;
}

/** An activation function by its published name, for those that tfjs lacks and those that it has. */
export class Activation extends layers.Layer {
  static readonly className = 'TransferKitActivation';
  readonly activation: string;

  constructor(options: ActivationArguments) {
    super({ name: options.name });
    if (!Object.hasOwn(functions, options.activation)) throw unknownName('activation', options.activation, activationNames);
    this.activation = options.activation;
  }

  /** `inputs`: float32 of any shape. */
  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => functions[this.activation]!(onlyInput(inputs)));
  }

  override getConfig(): tf.serialization.ConfigDict {
    return { ...super.getConfig(), activation: this.activation };
  }
}

tf.serialization.registerClass(Activation);
