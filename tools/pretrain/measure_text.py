"""A logistic head on frozen features: the measure of the text backbones, and TF-IDF's on the same examples.

Features are standardised; the strength of the head's decay is chosen on a tenth of the training examples held out, then the head
is trained on all of them.
"""

import argparse
import csv
import json
from pathlib import Path

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SETS = ("sst2", "mr", "cr", "subj", "trec", "ag-news", "banking77")
FEW = 1000


def read(data: Path, name: str, part: str) -> tuple[list[str], np.ndarray]:
    with (data / "text" / name / f"{part}.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [row["text"] for row in rows], np.array([row["label"] for row in rows])


def few(labels: np.ndarray, count: int = FEW, seed: int = 42) -> np.ndarray:
    """Rows of a stratified sample."""
    rows, _ = train_test_split(np.arange(len(labels)), train_size=count, stratify=labels, random_state=seed)
    return np.sort(rows)


def chosen(make, choices, features, labels):
    """The model with the choice that does best on a held-out tenth, trained on everything."""
    train, held_out = train_test_split(np.arange(len(labels)), test_size=0.1, stratify=labels, random_state=0)
    scores = [make(choice).fit(features[train], labels[train]).score(features[held_out], labels[held_out]) for choice in choices]
    return make(choices[int(np.argmax(scores))]).fit(features, labels)


def head_accuracy(train: np.ndarray, labels: np.ndarray, test: np.ndarray, test_labels: np.ndarray) -> float:
    model = chosen(lambda c: make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=200)), (0.003, 0.03, 0.3), train, labels)
    return model.score(test, test_labels)


def tfidf_accuracy(train: list[str], labels: np.ndarray, test: list[str], test_labels: np.ndarray) -> float:
    def make(c):
        return make_pipeline(TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=c, max_iter=300))

    return chosen(make, (1, 10, 100), np.array(train, dtype=object), labels).score(test, test_labels)


def interval(accuracy: float, count: int) -> tuple[float, float]:
    """95 % interval of Wilson for a share of `count` examples."""
    z = 1.96
    middle = (accuracy + z * z / (2 * count)) / (1 + z * z / count)
    half = z * ((accuracy * (1 - accuracy) + z * z / (4 * count)) / count) ** 0.5 / (1 + z * z / count)
    return middle - half, middle + half


def measure(features, names, data: Path, with_tfidf: bool) -> dict[str, dict[str, float]]:
    """Accuracy on every set: `features(name, part, texts)` under a head trained on everything and on 1,000 examples."""
    results: dict[str, dict[str, float]] = {}
    for name in names:
        (train, labels), (test, test_labels) = read(data, name, "train"), read(data, name, "test")
        rows = few(labels)
        a, b = features(name, "train", train), features(name, "test", test)
        results[name] = {
            "full": head_accuracy(a, labels, b, test_labels),
            "few": head_accuracy(a[rows], labels[rows], b, test_labels),
            "count": len(test),
        }
        if with_tfidf:
            results[name]["tfidf few"] = tfidf_accuracy([train[row] for row in rows], labels[rows], test, test_labels)
        print(name, {key: round(value, 4) for key, value in results[name].items()}, flush=True)
    means = {key: np.mean([result[key] for result in results.values()]) for key in ("full", "few", *(["tfidf few"] if with_tfidf else []))}
    print("mean", {key: round(value, 4) for key, value in means.items()}, flush=True)
    return results


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--features", type=Path, required=True, help="folder of SET.PART.npy, as embed.ts writes them")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--tfidf", action="store_true")
    options = arguments.parse_args()
    results = measure(lambda name, part, _: np.load(options.features / f"{name}.{part}.npy").astype("float32"), SETS, options.data, options.tfidf)
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
