"""Small Keras models of any topology, of Keras 2 and 3, as TensorFlow.js files."""

import keras
import numpy as np
import tf_keras

from golden_case import Case
from randomize import randomize_keras
from tfjs_export import dequantized, topology_and_weights_of_archive, topology_and_weights_of_h5, write_tfjs

FAMILY = "keras-graph"


def residual(library):
    """Branches that are added and concatenated, all kinds of convolution, normalisations with and without scale and shift."""
    layers = library.layers
    inputs = layers.Input((19, 17, 3), name="photo")
    x = layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="stem")(inputs)
    x = layers.BatchNormalization(epsilon=1e-2, name="stem_bn")(x)
    stem = layers.ReLU(max_value=3.0, name="stem_relu")(x)
    a = layers.SeparableConv2D(8, 3, padding="same", depth_multiplier=2, name="separable")(stem)
    a = layers.BatchNormalization(scale=False, name="separable_bn")(a)
    b = layers.DepthwiseConv2D(5, padding="same", name="depthwise")(stem)
    b = layers.LeakyReLU(0.1, name="leaky")(b)
    added = layers.Add(name="added")([stem, a, b])
    c = layers.MaxPooling2D(3, strides=2, padding="same", name="max_pool")(added)
    d = layers.AveragePooling2D(3, strides=2, padding="same", name="average_pool")(added)
    x = layers.Concatenate(name="joined")([c, d])
    x = layers.Conv2D(12, (3, 1), dilation_rate=2, padding="same", activation="relu", name="dilated")(x)
    x = layers.BatchNormalization(center=False, name="dilated_bn")(x)
    gate = layers.GlobalAveragePooling2D(name="gate_pool")(x)
    gate = layers.Dense(12, activation="sigmoid", name="gate")(gate)
    gate = layers.Reshape((1, 1, 12), name="gate_shape")(gate)
    x = layers.Multiply(name="gated")([x, gate])
    x = layers.Dropout(0.4, name="dropout")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return library.Model(inputs, layers.Dense(4, activation="softmax", name="classifier")(x), name="residual"), "gated"


def sequential(library):
    layers = library.layers
    return library.Sequential([
        layers.Input((12, 15, 3)),
        layers.ZeroPadding2D(((1, 2), (0, 1)), name="pad"),
        layers.Conv2D(6, (2, 3), strides=(2, 1), name="convolution"),
        layers.LeakyReLU(0.2, name="leaky"),
        layers.MaxPooling2D(2, name="pool"),
        layers.Dropout(0.3, name="dropout"),
        layers.Conv2D(5, 3, activation="elu", name="features"),
        layers.Flatten(name="flat"),
        layers.Dense(7, activation="tanh", name="hidden"),
        layers.Dense(3, activation="softmax", name="classifier"),
    ], name="chain"), "features"  # fmt: skip


def nested(library):
    """A model and a Sequential inside a model, and a layer that is used twice."""
    layers = library.layers
    inner_input = layers.Input((None, None, 6), name="inner_photo")
    x = layers.Conv2D(6, 3, padding="same", name="inner_convolution")(inner_input)
    x = layers.BatchNormalization(name="inner_bn")(x)
    inner = library.Model(inner_input, layers.Add(name="inner_added")([x, inner_input]), name="inner")
    block = library.Sequential([layers.Input((None, None, 6)), layers.Conv2D(6, 1, activation="relu", name="block_convolution")], name="block")
    inputs = layers.Input((10, 10, 3), name="photo")
    x = layers.Conv2D(6, 3, strides=2, name="convolution")(inputs)
    shared = layers.DepthwiseConv2D(3, padding="same", name="shared")
    x = layers.Add(name="added")([shared(x), shared(inner(x))])
    x = block(x)
    x = layers.GlobalMaxPooling2D(name="pool")(x)
    return library.Model(inputs, layers.Dense(3, name="classifier")(x), name="outer"), "added"


def activations(library):
    """One branch an activation. Keras 3 changed hard_sigmoid: relu6(x + 3) / 6 instead of clip(0.2 x + 0.5)."""
    layers = library.layers
    inputs = layers.Input((6, 5, 2), name="photo")
    x = layers.Conv2D(4, 1, name="convolution")(inputs)
    names = ["elu", "gelu", "hard_sigmoid", "relu", "selu", "sigmoid", "softmax", "softplus", "softsign", "swish", "tanh"]
    branches = [layers.Activation(name, name=f"activation_{name}")(x) for name in names]
    joined = layers.Concatenate(name="joined")(branches)
    return library.Model(inputs, layers.GlobalAveragePooling2D(name="pool")(joined), name="activations"), "joined"


def unnamed(library):
    """Names as Keras gives them, which the archive's weights repeat."""
    layers = library.layers
    inputs = layers.Input((11, 11, 3))
    x = layers.Conv2D(6, 3, strides=2, padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    first = layers.ReLU(max_value=6.0)(x)
    x = layers.SeparableConv2D(6, 3, padding="same")(first)
    x = layers.BatchNormalization()(x)
    x = layers.Add()([first, x])
    x = layers.Conv2D(8, 1, activation="relu")(x)
    last = x.name if library is tf_keras else x._keras_history.operation.name
    x = layers.GlobalAveragePooling2D()(x)
    return library.Model(inputs, layers.Dense(3, activation="softmax")(x)), last


def make_case(name, description, library, build, seed, archive=False, quantization=None, shards=1):
    case = Case(FAMILY, name)
    library.backend.clear_session()
    library.utils.set_random_seed(seed)
    model, layer = build(library)
    shape = [side or 10 for side in model.input_shape[1:]]
    pixels = np.random.default_rng(seed).normal(0, 1, (2, *shape)).astype(np.float32)
    randomize_all(library, model, seed, pixels, lambda array: dequantized(array, quantization))
    topology, weights = (topology_and_weights_of_archive if archive else topology_and_weights_of_h5)(model)
    write_tfjs(case.checkpoint, topology, weights, shards, quantization)
    inner = library.Model(model.inputs[0], model.get_layer(layer).output)
    package = "keras" if library is keras else "tf_keras"
    outputs = {
        "input": (pixels, "float32 [picture, row, column, channel]"),
        "output": (np.asarray(model(pixels)), "float32: the model's output"),
        "inner": (np.asarray(inner(pixels)), f"float32: output of the layer {layer}"),
    }
    case.write(description, [package, "tensorflow"], "expected.safetensors: input", outputs, layer=layer)


def randomize_all(library, model, seed, pixels, stored):
    """Inner models first, on noise of their own; then the model itself."""
    for index, layer in enumerate(model.layers):
        if hasattr(layer, "layers"):
            noise = np.random.default_rng(seed + index).normal(0, 1, (2, 5, 5, 6)).astype(np.float32)
            randomize_keras(layer, seed + index, noise, library.Model, activated=False, stored=stored)
    randomize_keras(model, seed, pixels, library.Model, activated=False, stored=stored)


def make_keras_graph():
    for offset, (version, library) in enumerate((("keras2", tf_keras), ("keras3", keras))):
        seed = 600 + 10 * offset
        make_case(f"{version}-residual", "branches, additions, concatenation, gates, all kinds of convolution and pooling", library, residual, seed)
        make_case(f"{version}-sequential", "a Sequential, its weights in two shards that are cut inside a number", library, sequential, seed + 1, shards=2)
        make_case(f"{version}-nested", "models inside a model, and a layer that is used twice; quantised to float16", library, nested, seed + 2, quantization="float16")
        make_case(f"{version}-activations", "every activation by name", library, activations, seed + 3)
    make_case("keras3-uint8", "kernels quantised to uint8", keras, unnamed, 630, quantization="uint8")
    make_case("keras3-archive", "converted from .keras: weights are named layers/<class>_<number>/vars/<number>, topology without module and registered_name", keras, unnamed, 631, archive=True)
