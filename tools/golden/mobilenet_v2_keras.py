"""MobileNetV2 as Keras 2, Keras 3 and Teachable Machine publish it for TensorFlow.js."""

import json

import keras
import numpy as np
import tf_keras
from PIL import Image

from golden_case import INPUTS, Case, write_json
from randomize import randomize_keras, rounded
from tfjs_export import dequantized, topology_and_weights_of_h5, write_tfjs

FAMILY = "mobilenet-v2"
PICTURES = ["rgb.png", "large.jpg"]
TOP_CHANNELS = 96


def pixels_of(height, width):
    """Pictures stretched by PIL, -1 to 1: float32 [picture, row, column, channel]."""
    stretched = [Image.open(INPUTS / name).convert("RGB").resize((width, height), Image.Resampling.BILINEAR) for name in PICTURES]
    return np.stack([np.asarray(image, np.float32) / 127.5 - 1 for image in stretched])


def build(library, size, classes=None):
    """The narrowest MobileNetV2 of keras.applications; its last convolution, 1280 channels at all widths, is narrowed too."""
    options = {"include_top": True, "classes": classes} if classes else {"include_top": False}
    wide = library.applications.MobileNetV2(input_shape=(*size, 3), alpha=0.1, weights=None, **options)
    config = wide.get_config()
    next(layer for layer in config["layers"] if layer["config"]["name"] == "Conv_1")["config"]["filters"] = TOP_CHANNELS
    # Built for 1280 channels: without these notes the layers are built anew.
    for layer in config["layers"]:
        layer.pop("build_config", None)
    return type(wide).from_config(config)


def part(library, model, layer):
    return library.Model(model.inputs[0], model.get_layer(layer).output)


def outputs_of(library, model, pixels):
    features = np.asarray(part(library, model, "out_relu")(pixels))
    return {
        "pixel_values": (pixels, "float32 [picture, row, column, channel]: the network's input"),
        "features": (features, "float32 [picture, row, column, channel]: output of out_relu"),
        "pooled": (features.mean((1, 2)), "float32 [picture, channel]: its mean over rows and columns"),
    }


def make_case(name, description, library, size, seed, classes=None, quantization=None, shards=1):
    case = Case(FAMILY, name)
    library.utils.set_random_seed(seed)
    model = build(library, size, classes)
    pixels = pixels_of(*size)
    randomize_keras(model, seed, pixels, library.Model, stored=lambda array: dequantized(array, quantization))
    topology, weights = topology_and_weights_of_h5(model)
    write_tfjs(case.checkpoint, topology, weights, shards, quantization)
    outputs = outputs_of(library, model, pixels)
    if classes:
        outputs["predictions"] = (np.asarray(model(pixels)), "float32 [picture, class]: output of the classifier that the file carries")
    package = "keras" if library is keras else "tf_keras"
    case.write(description, [package, "tensorflow", "pillow"], PICTURES, outputs, preprocessing="PIL, convert('RGB'), stretched to the input's size (bilinear), x / 127.5 - 1")


# What tfjs-layers 1.3 writes of each layer, by class, beside name and trainable: Keras's field names, and tfjs's own defaults.
REGULARIZERS = ("kernel_regularizer", "kernel_constraint", "bias_regularizer", "activity_regularizer", "bias_constraint")
GLOROT = {"class_name": "VarianceScaling", "config": {"scale": 1, "mode": "fan_avg", "distribution": "uniform", "seed": None}}
FAN_IN = {"class_name": "VarianceScaling", "config": {"scale": 1, "mode": "fan_in", "distribution": "normal", "seed": None}}
ZEROS, ONES = ({"class_name": name, "config": {}} for name in ("Zeros", "Ones"))


def teachable_layer(layer, inbound):
    """A layer of the backbone in the form of tfjs-layers 1.3."""
    name, kind, given = layer.name, type(layer).__name__, layer.get_config()
    keep = lambda *fields: {field: given[field] for field in fields}  # noqa: E731
    config = {}
    if kind == "InputLayer":
        config = {"batch_input_shape": list(given["batch_input_shape"]), "dtype": "float32", "sparse": False, "name": name}
        return {"name": name, "class_name": kind, "config": config, "inbound_nodes": []}
    if kind == "Conv2D":
        config = {"filters": given["filters"], "kernel_initializer": GLOROT, "kernel_regularizer": None, "kernel_constraint": None}
    if kind in ("Conv2D", "DepthwiseConv2D"):
        config |= keep("kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias")
        config |= {"bias_initializer": ZEROS} | dict.fromkeys(REGULARIZERS[2:])
    if kind == "BatchNormalization":
        config = {"axis": -1, **keep("momentum", "epsilon", "center", "scale"), "beta_initializer": ZEROS, "gamma_initializer": ONES}
        config |= {"moving_mean_initializer": ZEROS, "moving_variance_initializer": ONES}
        config |= dict.fromkeys(("beta_regularizer", "gamma_regularizer", "beta_constraint", "gamma_constraint"))
    if kind == "ReLU":
        config = {"max_value": 6}
    if kind == "ZeroPadding2D":
        config = keep("padding", "data_format")
    config |= {"name": name, "trainable": True}
    if kind == "DepthwiseConv2D":
        config |= {"depth_multiplier": 1, "depthwise_initializer": GLOROT, "depthwise_regularizer": None, "depthwise_constraint": None}
    return {"name": name, "class_name": kind, "config": config, "inbound_nodes": inbound}


def teachable_backbone(model):
    """The backbone's entry: class Model, name model1; the first convolution is padded by a layer of its own, as in Keras 2.2."""
    layers = []
    for layer, entry in zip(model.layers, model.get_config()["layers"]):
        inbound = [[[*reference[:3], {}] for reference in node] for node in entry["inbound_nodes"]]
        if layer.name == "Conv1":
            config = {"padding": [[0, 1], [0, 1]], "data_format": "channels_last", "name": "Conv1_pad", "trainable": True}
            layers.append({"name": "Conv1_pad", "class_name": "ZeroPadding2D", "config": config, "inbound_nodes": inbound})
            inbound = [[["Conv1_pad", 0, 0, {}]]]
        written = teachable_layer(layer, inbound)
        if layer.name == "Conv1":
            written["config"]["padding"] = "valid"
        layers.append(written)
    config = {"name": "model1", "layers": layers, "input_layers": [["input_1", 0, 0]], "output_layers": [["out_relu", 0, 0]]}
    return {"class_name": "Model", "config": config}


def teachable_dense(name, units, activation, bias, **more):
    config = {"units": units, "activation": activation, "use_bias": bias, "kernel_initializer": FAN_IN, "bias_initializer": ZEROS}
    return {"class_name": "Dense", "config": config | dict.fromkeys(REGULARIZERS) | {"name": name, "trainable": True} | more}


def sequential(name, layers):
    return {"class_name": "Sequential", "config": {"name": name, "layers": layers}}


def make_teachable_machine(seed):
    case = Case(FAMILY, "tfjs-teachable-machine")
    tf_keras.backend.clear_session()
    model = build(tf_keras, (40, 40))
    assert model.layers[0].name == "input_1"
    pixels = pixels_of(40, 40)
    randomize_keras(model, seed, pixels, tf_keras.Model)
    random = np.random.default_rng(seed)
    hidden, bias, out = (rounded(random.normal(0, scale, shape)) for scale, shape in ((0.3, (TOP_CHANNELS, 10)), (0.3, 10), (0.4, (10, 3))))
    pool = {"class_name": "GlobalAveragePooling2D", "config": {"data_format": "channels_last", "name": "global_average_pooling2d_GlobalAveragePooling2D1", "trainable": True}}
    head = [teachable_dense("dense_Dense1", 10, "relu", True, batch_input_shape=[None, TOP_CHANNELS], dtype="float32"), teachable_dense("dense_Dense2", 3, "softmax", False)]
    topology = sequential("sequential_4", [sequential("sequential_1", [teachable_backbone(model), pool]), sequential("sequential_3", head)])
    topology |= {"keras_version": "tfjs-layers 1.3.1", "backend": "tensor_flow.js"}
    # First all weights that learn, then the statistics.
    named = [(weight.name.removesuffix(":0"), np.asarray(weight)) for weight in model.trainable_weights]
    named += [("dense_Dense1/kernel", hidden), ("dense_Dense1/bias", bias), ("dense_Dense2/kernel", out)]
    named += [(weight.name.removesuffix(":0"), np.asarray(weight)) for weight in model.non_trainable_weights]
    (case.checkpoint / "weights.bin").write_bytes(b"".join(array.tobytes() for _, array in named))
    manifest = [{"paths": ["weights.bin"], "weights": [{"name": name, "shape": list(array.shape), "dtype": "float32"} for name, array in named]}]
    (case.checkpoint / "model.json").write_text(json.dumps({"modelTopology": topology, "weightsManifest": manifest}, separators=(",", ":")))
    metadata = {"tfjsVersion": "1.3.1", "tmVersion": "2.2.2", "packageVersion": "0.8.4", "packageName": "@teachablemachine/image", "timeStamp": "2020-10-08T08:32:04.248Z"}
    write_json(case.checkpoint / "metadata.json", {**metadata, "userMetadata": {}, "modelName": "tm-my-image-model", "labels": ["A", "B", "C"]}, indent=None)
    outputs = outputs_of(tf_keras, model, pixels)
    logits = np.maximum(outputs["pooled"][0] @ hidden + bias, 0) @ out
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    outputs["predictions"] = (exponents / exponents.sum(-1, keepdims=True), "float32 [picture, class]: output of the head that the file carries")
    case.write(
        "Teachable Machine: Sequential[Sequential[Model, GlobalAveragePooling2D], Sequential[Dense, Dense]], topology of tfjs-layers 1.3 without model_config, all weights in weights.bin",
        ["tf_keras", "tensorflow", "pillow"], PICTURES, outputs,
        preprocessing="PIL, convert('RGB'), stretched to 40 x 40 (bilinear; Teachable Machine itself crops a square first), x / 127.5 - 1",
    )  # fmt: skip


def make_mobilenet_v2_keras():
    make_case("tfjs-keras2", "Keras 2 (HDF5), no classifier, odd size, quantised to float16, two shards that are cut inside a number", tf_keras, (37, 35), 200, quantization="float16", shards=2)
    make_case("tfjs-keras3", "Keras 3 (HDF5), with a classifier, kernels quantised to uint8", keras, (40, 36), 201, classes=4, quantization="uint8")
    make_teachable_machine(204)
