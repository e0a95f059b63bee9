"""A logistic head on frozen features of photos: the measure of image-small, beside other networks on the same photos.

Prints accuracy with its 95 % interval on the test part of each set that no training has seen.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from measure_text import head_accuracy, interval

SETS = ("flowers", "cats-dogs", "clothing")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--features", type=Path, nargs="+", required=True, help="folders of SET.PART.npy, as embed.ts writes them")
    arguments.add_argument("--out", type=Path, required=True)
    options = arguments.parse_args()
    results: dict[str, dict[str, dict[str, float]]] = {}
    for folder in options.features:
        results[folder.name] = {}
        for name in SETS:
            train, test = (np.load(folder / f"{name}.{part}.npy") for part in ("train", "test"))
            labels, test_labels = (np.array(json.loads((folder / f"{name}.{part}.labels.json").read_text())) for part in ("train", "test"))
            accuracy = head_accuracy(train, labels, test, test_labels)
            low, high = interval(accuracy, len(test))
            results[folder.name][name] = {"accuracy": accuracy, "count": len(test)}
            print(f"{folder.name:24} {name:10} {accuracy:.4f} ({low:.3f} to {high:.3f})", flush=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
