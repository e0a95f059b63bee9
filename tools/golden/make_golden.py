"""Writes test/golden: tiny random checkpoints and what their reference implementations make of them.

    python tools/golden/make_golden.py             everything
    python tools/golden/make_golden.py bert        one part, by name
"""

import importlib
import os
import sys

os.environ.update(
    HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", TF_CPP_MIN_LOG_LEVEL="3", TF_ENABLE_ONEDNN_OPTS="0", CUDA_VISIBLE_DEVICES="-1", KERAS_BACKEND="tensorflow"
)

# Part -> module; each module has a function of the name make_<module> or draw_inputs.
PARTS = {
    "inputs": "draw_inputs",
    "preprocessing": "preprocessing",
    "tokenization": "tokenization",
    "mobilenet-v2-torch": "mobilenet_v2_torch",
    "mobilenet-v2-keras": "mobilenet_v2_keras",
    "bert": "bert",
    "static-embedding": "static_embedding",
    "keras-graph": "keras_graph",
    "peft": "peft_adapters",
    "onnx-graphs": "onnx_graphs",
}


def main(names):
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        sys.exit(f"unknown: {', '.join(unknown)}. Known: {', '.join(PARTS)}")
    for name in names or PARTS:
        module = importlib.import_module(PARTS[name])
        getattr(module, "draw_inputs" if name == "inputs" else f"make_{PARTS[name]}")()


if __name__ == "__main__":
    main(sys.argv[1:])
