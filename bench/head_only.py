"""Training a head alone on cached features, with scikit-learn and PyTorch: what bench/head-only.ts is compared with.

    python bench/head_only.py <data folder> <features folder> [--threads 1]

Reads the features that bench/head-only.ts wrote. Prints one JSON line a way: seconds and accuracy.
Versions: scikit-learn 1.9.1, torch 2.9.1.
"""

import argparse
import csv
import json
import math
import os
import time
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("data", type=Path)
parser.add_argument("features", type=Path)
parser.add_argument("--threads", type=int, default=1)
arguments = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = str(arguments.threads)

import numpy as np  # noqa: E402 - the number of threads is read when these are imported
import torch  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.neighbors import NearestCentroid  # noqa: E402
from sklearn.preprocessing import StandardScaler  # noqa: E402

torch.set_num_threads(arguments.threads)


def read(part):
    with open(arguments.data / "text" / "banking77" / f"{part}.csv", encoding="utf-8", newline="") as file:
        labels = [row["label"] for row in csv.DictReader(file)]
    return np.load(arguments.features / f"{part}.npy"), labels


def tell(way, seconds, predicted, truth):
    accuracy = float((np.asarray(predicted) == truth).mean())
    print(json.dumps({"way": way, "threads": arguments.threads, "seconds": round(seconds, 2), "accuracy": round(accuracy, 4)}), flush=True)


def torch_loop(features, truth, classes, epochs=30, batch=64, rate=1e-3, decay=1.0):
    """The recipe of the AdamW head: warm-up over a tenth of the steps, then half a cosine; clipped at 1; no decay of the bias."""
    torch.manual_seed(42)
    layer = torch.nn.Linear(features.shape[1], classes)
    torch.nn.init.xavier_uniform_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    groups = [{"params": [layer.weight], "weight_decay": decay}, {"params": [layer.bias], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    steps = epochs * math.ceil(len(truth) / batch)
    climb = round(0.1 * steps)

    def share(step):
        return (step + 1) / (climb + 1) if step < climb else 0.5 * (1 + math.cos(math.pi * (step - climb) / (steps - climb)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
    features, truth = torch.from_numpy(features), torch.from_numpy(truth)
    for _ in range(epochs):
        for chosen in torch.randperm(len(truth)).split(batch):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(layer(features[chosen]), truth[chosen]).backward()
            torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    return layer


def main():
    (train, train_labels), (test, test_labels) = read("train"), read("test")
    names = sorted(set(train_labels))
    truth = np.array([names.index(label) for label in train_labels])
    answers = np.array([names.index(label) for label in test_labels])
    scaler = StandardScaler().fit(train)
    train, test = scaler.transform(train).astype(np.float32), scaler.transform(test).astype(np.float32)

    started = time.perf_counter()
    layer = torch_loop(train, truth, len(names))
    seconds = time.perf_counter() - started
    with torch.no_grad():
        tell("torch adamw", seconds, layer(torch.from_numpy(test)).argmax(1).numpy(), answers)
    ways = {"scikit-learn logistic regression": LogisticRegression(C=0.3, max_iter=1000), "scikit-learn nearest centroid": NearestCentroid()}
    for way, estimator in ways.items():
        started = time.perf_counter()
        estimator.fit(train, truth)
        tell(way, time.perf_counter() - started, estimator.predict(test), answers)


if __name__ == "__main__":
    main()
