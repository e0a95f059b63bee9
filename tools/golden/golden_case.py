"""One golden case on disk: a checkpoint, what the reference makes of it, and a description of both."""

import json
import shutil
from importlib.metadata import version
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

ROOT = Path(__file__).resolve().parents[2] / "test" / "golden"
INPUTS = ROOT / "inputs"


def numpy_of(value):
    """A tensor of torch, TensorFlow or NumPy as NumPy: floats as float32, whole numbers as int32, bytes as they are."""
    array = np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    kind = np.float32 if array.dtype.kind == "f" else np.int32
    return np.ascontiguousarray(array.astype(kind))


def assert_healthy(name, array):
    """An output that is nearly constant, nearly zero or without bounds would hide errors."""
    if array.dtype != np.float32:
        return
    finite, spread = bool(np.isfinite(array).all()), float(array.std())
    zeros = float((array == 0).mean())
    if not finite or not 1e-3 < spread < 1e3 or zeros > 0.8:
        raise ValueError(f"{name}: finite {finite}, deviation {spread}, zeros {zeros}")


class Case:
    """The folder `test/golden/<family>/<name>`, made anew."""

    def __init__(self, family, name):
        self.folder = ROOT / family / name
        shutil.rmtree(self.folder, ignore_errors=True)
        self.checkpoint = self.folder / "checkpoint"
        self.checkpoint.mkdir(parents=True)

    def write(self, description, packages, inputs, outputs, **more):
        """`outputs`: name -> (tensor, what it means). `inputs`: file names of `test/golden/inputs`, strings, or words."""
        arrays = {name: numpy_of(tensor) for name, (tensor, _) in outputs.items()}
        for name, array in arrays.items():
            assert_healthy(f"{self.folder.name}/{name}", array)
        if not any(self.checkpoint.iterdir()):
            self.checkpoint.rmdir()
        save_file(arrays, self.folder / "expected.safetensors")
        meanings = {name: f"{meaning} {list(arrays[name].shape)}" for name, (_, meaning) in outputs.items()}
        reference = {package: version(package) for package in packages}
        write_json(self.folder / "case.json", {"description": description, "reference": reference, "inputs": inputs, "outputs": meanings, **more})
        for file in self.folder.rglob("*.safetensors"):
            file.chmod(0o644)
        size = sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file())
        print(f"{self.folder.relative_to(ROOT)}  {size / 1000:.0f} kB")


def write_json(path, value, indent=2):
    path.write_text(json.dumps(value, indent=indent) + "\n", encoding="utf-8")
