"""Writes the two models that `cold-start-transformers.mjs` loads: as large as image-small and text-small, in transformers.js's layout.

    python bench/cold_start_models.py <all-MiniLM-L6-v2 folder> <output folder>

`image`: a MobileNetV2 of 1.7 million weights for photos of 160 px, random weights, 8 bits each, per output channel. `text`: 14,336 vectors
of 256 numbers, random, 8 bits each; a text's tokens are looked up, the pipeline takes their mean. Its tokenizer is MiniLM's with as many
word pieces. The weights are stored as integers and widened by a DequantizeLinear, which ONNX Runtime folds away when it loads, so the
files are small and what runs is float32, as here. Both are run once with ONNX Runtime before they count as written.

Versions: torch 2.9.1, transformers 4.57.6, onnx 1.23.2, onnxruntime 1.31.1.
"""

import argparse
import json
import os
from pathlib import Path

os.environ["USE_TF"] = "0"

import numpy as np  # noqa: E402
import onnx  # noqa: E402
import onnxruntime  # noqa: E402
import torch  # noqa: E402
from onnx import TensorProto, helper, numpy_helper  # noqa: E402
from transformers import MobileNetV2Config, MobileNetV2Model  # noqa: E402

SIDE = 160
WORD_PIECES, FEATURES = 14336, 256
OPSET = 17
# What ONNX Runtime of transformers.js 4 and of Python both read.
IR_VERSION = 9


def write(path, content):
    """Never half a file: written beside it, then renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.part")
    temporary.write_bytes(content if isinstance(content, bytes) else json.dumps(content, indent=1).encode())
    os.replace(temporary, path)


def widened(name, values):
    """Rows of float32 as bytes with a scale each: two initialisers, zeros, and the node that widens them to `name`."""
    scale = np.abs(values).reshape(len(values), -1).max(1).astype(np.float32) / 127
    scale = np.maximum(scale, np.finfo(np.float32).tiny)
    integers = np.rint(values / scale.reshape(-1, *[1] * (values.ndim - 1))).astype(np.int8)
    parts = {f"{name}.int8": integers, f"{name}.scale": scale, f"{name}.zero": np.zeros(len(values), np.int8)}
    initializers = [numpy_helper.from_array(array, part) for part, array in parts.items()]
    return initializers, helper.make_node("DequantizeLinear", list(parts), [name], axis=0)


def in_eight_bits(model):
    """The same model with every convolution's kernel stored in bytes."""
    kernels = {tensor.name: tensor for tensor in model.graph.initializer if len(tensor.dims) == 4}
    for name, tensor in kernels.items():
        initializers, node = widened(name, numpy_helper.to_array(tensor))
        model.graph.initializer.remove(tensor)
        model.graph.initializer.extend(initializers)
        model.graph.node.insert(0, node)
    return model


class Pooled(torch.nn.Module):
    """The outputs by the names that transformers.js looks for."""

    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, pixel_values):
        output = self.network(pixel_values=pixel_values)
        return output.last_hidden_state, output.pooler_output


def image_model(path):
    torch.manual_seed(1)
    config = MobileNetV2Config(depth_multiplier=0.85, image_size=SIDE)
    network = MobileNetV2Model(config).eval()
    names = {"input_names": ["pixel_values"], "output_names": ["last_hidden_state", "pooler_output"]}
    axes = {name: {0: "batch"} for group in names.values() for name in group}
    path.parent.mkdir(parents=True, exist_ok=True)
    raw = path.with_suffix(".raw")
    example = torch.zeros(1, 3, SIDE, SIDE)
    torch.onnx.export(Pooled(network), (example,), str(raw), **names, dynamic_axes=axes, opset_version=OPSET, dynamo=False)
    model = in_eight_bits(onnx.load(raw))
    raw.unlink()
    return model, config, sum(weight.numel() for weight in network.parameters())


def write_image(folder):
    path = folder / "onnx" / "model_quantized.onnx"
    model, config, weights = image_model(path)
    write(path, model.SerializeToString())
    write(folder / "config.json", {"model_type": "mobilenet_v2", "image_size": SIDE, "depth_multiplier": config.depth_multiplier})
    recipe = {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "resample": 2,
        "do_center_crop": False,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
    }
    write(folder / "preprocessor_config.json", recipe)
    pixels = np.sin(np.arange(3 * SIDE * SIDE, dtype=np.float32)).reshape(1, 3, SIDE, SIDE)
    return path, {"pixel_values": pixels}, (1, weights)


def text_model():
    vectors = np.random.default_rng(1).normal(0, 1, (WORD_PIECES, FEATURES)).astype(np.float32)
    initializers, node = widened("vectors", vectors)
    # The mask is the pipeline's affair: it feeds a graph what the graph asks for.
    feed = [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])]
    look_up = helper.make_node("Gather", ["vectors", "input_ids"], ["last_hidden_state"])
    outputs = [helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "tokens", FEATURES])]
    graph = helper.make_graph([node, look_up], "text", feed, outputs, initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def write_text(folder, minilm):
    path = folder / "onnx" / "model_quantized.onnx"
    write(path, text_model().SerializeToString())
    tokenizer = json.loads((minilm / "tokenizer.json").read_text(encoding="utf-8"))
    vocabulary = tokenizer["model"]["vocab"]
    tokenizer["model"]["vocab"] = {piece: number for piece, number in vocabulary.items() if number < WORD_PIECES}
    write(folder / "tokenizer.json", tokenizer)
    write(folder / "tokenizer_config.json", json.loads((minilm / "tokenizer_config.json").read_text(encoding="utf-8")))
    write(folder / "config.json", {"model_type": "bert", "hidden_size": FEATURES, "vocab_size": WORD_PIECES})
    ids = np.array([[101, 1037, 2417, 3123, 102]], np.int64)
    return path, {"input_ids": ids}, (1, WORD_PIECES * FEATURES)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("minilm", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    written = {"image": write_image(arguments.output / "image"), "text": write_text(arguments.output / "text", arguments.minilm)}
    for name, (path, feed, (batch, weights)) in written.items():
        onnx.checker.check_model(str(path), full_check=True)
        outputs = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(None, feed)
        assert all(len(output) == batch and np.isfinite(output).all() for output in outputs), name
        shapes = [output.shape for output in outputs]
        print(json.dumps({"model": name, "bytes": path.stat().st_size, "weights": weights, "outputs": shapes}))


if __name__ == "__main__":
    main()
