"""Writes Keras models as tfjs LayersModel files, in the way of tensorflowjs_converter 4.22.

Source: tensorflowjs/converters/keras_h5_conversion.py, tensorflowjs/write_weights.py, tensorflowjs/quantization.py
"""

import json
import tempfile
import zipfile
from pathlib import Path

import h5py
import numpy as np

CONVERTED_BY = "TensorFlow.js Converter v4.22.0"


def topology_and_weights_of_h5(model):
    """What the converter makes of `model.save('x.h5')`, Keras 2 or 3: layers in the order of the alphabet, weights by path."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.h5"
        model.save(path)
        with h5py.File(path, "r") as file:
            topology = {
                "keras_version": text_of(file.attrs["keras_version"]),
                "backend": text_of(file.attrs["backend"]),
                "model_config": json.loads(text_of(file.attrs["model_config"])),
            }
            weights = [entry for name in file["model_weights"] for entry in weights_of_group(file["model_weights"][name])]
    return topology, weights


def text_of(value):
    return value.decode() if isinstance(value, bytes) else value


def weights_of_group(group):
    """(name, array) of a layer of a file of the HDF5 form."""
    if "weight_names" in group.attrs:
        names = [text_of(name) for name in group.attrs["weight_names"]]
        return [(name.removesuffix(":0"), np.array(group[name])) for name in names]
    return [entry for name in group for entry in weights_of_group(group[name])]


def topology_and_weights_of_archive(model):
    """What the converter makes of `model.save('x.keras')`, Keras 3: weights by number in their layer, `layers/conv/vars/0`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        config = json.loads((path.parent / "config.json").read_text())
        metadata = json.loads((path.parent / "metadata.json").read_text())
        with h5py.File(path.parent / "model.weights.h5", "r") as file:
            weights = weights_below(file, "")
    drop_keys(config, {"module", "registered_name", "date_saved"})
    number_shared_objects(config, {})
    return {"keras_version": metadata["keras_version"], "model_config": config}, weights


def weights_below(group, path):
    found = []
    for name, entry in group.items():
        if isinstance(entry, h5py.Group):
            found += weights_below(entry, f"{path}{name}/")
        else:
            found.append((path + name, np.array(entry)))
    return found


def drop_keys(value, keys):
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        drop_keys(entry, keys)
    for key in keys if isinstance(value, dict) else ():
        value.pop(key, None)


def number_shared_objects(value, numbers):
    """Keras writes addresses in memory, which differ from run to run."""
    for entry in value.values() if isinstance(value, dict) else value if isinstance(value, list) else []:
        number_shared_objects(entry, numbers)
    if isinstance(value, dict) and "shared_object_id" in value:
        value["shared_object_id"] = numbers.setdefault(value["shared_object_id"], len(numbers))


def quantized(array, dtype):
    """The stored array, and the manifest's `quantization` or None.

    Whole numbers only for kernels (`--quantize_uint8 '*kernel'`), zero exact where it is in the range; float16 for everything.
    """
    if dtype is None or (dtype != "float16" and array.ndim < 2):
        return array, None
    if dtype == "float16":
        return array.astype(np.float16), {"dtype": "float16", "original_dtype": "float32"}
    top = np.iinfo(dtype).max
    low, high = float(array.min()), float(array.max())
    if low == high:
        return np.zeros(array.shape, dtype), {"dtype": dtype, "min": low, "scale": 1.0, "original_dtype": "float32"}
    scale = (high - low) / top
    if low <= 0 <= high:
        low = -float(np.round(-low / scale)) * scale
    stored = np.round((array.astype(np.float64).clip(low, top * scale + low) - low) / scale).astype(dtype)
    return stored, {"dtype": dtype, "min": low, "scale": scale, "original_dtype": "float32"}


def read_back(stored, how):
    return (stored * how["scale"] + how["min"]).astype(np.float32) if how and "scale" in how else stored.astype(np.float32)


def dequantized(array, dtype):
    """What a reader makes of an array that is stored quantised, and what stays the same when it is stored so again."""
    for _ in range(20):
        before, array = array, read_back(*quantized(array, dtype))
        if np.abs(array - before).max() < 1e-7:
            break
    return array


def write_tfjs(folder, topology, weights, shards=1, quantization=None):
    """Writes `model.json` and `group1-shard<i>of<n>.bin`."""
    entries, stream = [], b""
    for name, array in weights:
        stored, how = quantized(array, quantization)
        assert np.abs(read_back(stored, how) - array).max() < 1e-6, name
        entries.append({"name": name, "shape": list(array.shape), "dtype": "float32", **({"quantization": how} if how else {})})
        stream += stored.tobytes()
    # Several shards have an odd size, so that the cut falls inside a number.
    size = len(stream) if shards == 1 else len(stream) // shards | 1
    parts = [stream[start : start + size] for start in range(0, len(stream), size)]
    paths = [f"group1-shard{index}of{len(parts)}.bin" for index in range(1, len(parts) + 1)]
    for path, part in zip(paths, parts):
        (folder / path).write_bytes(part)
    model = {
        "format": "layers-model",
        "generatedBy": f"keras v{topology['keras_version']}",
        "convertedBy": CONVERTED_BY,
        "modelTopology": topology,
        "weightsManifest": [{"paths": paths, "weights": entries}],
    }
    (folder / "model.json").write_text(json.dumps(model, separators=(",", ":")), encoding="utf-8")
