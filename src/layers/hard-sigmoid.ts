import * as tf from '@tensorflow/tfjs-core';

/** An activation in the form in which tfjs's layers look it up by name. */
abstract class NamedActivation extends tf.serialization.Serializable {
  abstract apply(values: tf.Tensor): tf.Tensor;

  getConfig(): tf.serialization.ConfigDict {
    return {};
  }
}

/** min(max(x + 3, 0), 6) / 6: what Keras 3 and PyTorch mean by hard sigmoid. tfjs and Keras 2 have another slope. */
export class HardSigmoid extends NamedActivation {
  static readonly className = 'TransferKitHardSigmoid';

  apply(values: tf.Tensor): tf.Tensor {
    return tf.tidy(() => tf.mul(tf.relu6(tf.add(values, 3)), 1 / 6));
  }
}

/**
 * x times its hard sigmoid.
 * @source Howard et al. 2019, "Searching for MobileNetV3"
 */
export class HardSwish extends NamedActivation {
  static readonly className = 'TransferKitHardSwish';

  apply(values: tf.Tensor): tf.Tensor {
    return tf.tidy(() => tf.mul(values, tf.mul(tf.relu6(tf.add(values, 3)), 1 / 6)));
  }
}

tf.serialization.registerClass(HardSigmoid);
tf.serialization.registerClass(HardSwish);
