"""The Python half of peft-round-trip.ts: loads an adapter with PEFT (versions in requirements.txt), compares, and saves it again.

    python peft_round_trip.py <checkpoint> <adapter> <batch.safetensors> <output folder>
"""

import sys
import warnings

import torch
from peft import PeftModel
from safetensors.torch import load_file
from transformers import AutoModel

TOLERANCE = 1e-4


def states_of(model, inputs):
    with torch.no_grad():
        return model(**inputs).last_hidden_state


def main(checkpoint, adapter, batch, output):
    tensors = load_file(batch)
    adapted, plain = tensors.pop("adapted"), tensors.pop("plain")
    inputs = {name: tensor if name == "pixel_values" else tensor.long() for name, tensor in tensors.items()}
    base = AutoModel.from_pretrained(checkpoint, dtype=torch.float32).eval()
    without = (states_of(base, inputs) - plain).abs().max().item()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # PEFT warns of keys that are missing and of modules it did not find.
        model = PeftModel.from_pretrained(base, adapter).eval()
    states = states_of(model, inputs)
    gap = (states - adapted).abs().max().item()
    moved = (states - plain).abs().max().item()
    print(f"largest difference to PEFT {gap:.1e} with the adapter, {without:.1e} without it; the adapter moves features by up to {moved:.2f}")
    model.save_pretrained(output)
    sys.exit(gap > TOLERANCE or moved < 0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
