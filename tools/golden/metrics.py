"""Writes test/golden/metrics/*.json: figures of scikit-learn and SciPy on small random answers.

Run with Python 3 and: scikit-learn, scipy, numpy (the versions are written into the files).
    python tools/golden/metrics.py
"""
import json
from pathlib import Path

import numpy as np
import scipy
import sklearn
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import confusion_matrix, f1_score, log_loss, precision_recall_fscore_support, top_k_accuracy_score
from sklearn.utils.class_weight import compute_sample_weight

FOLDER = Path(__file__).resolve().parents[2] / "test" / "golden" / "metrics"
VERSIONS = {"scikit-learn": sklearn.__version__, "scipy": scipy.__version__, "numpy": np.__version__}


def classification_case(seed: int, examples: int, classes: int, missing: int) -> dict:
    """Random logits; the last `missing` classes never occur."""
    random = np.random.default_rng(seed)
    logits = random.normal(size=(examples, classes)).round(3)
    truth = random.integers(0, classes - missing, size=examples)
    logits[np.arange(examples), truth] += random.choice([0, 1.5], size=examples)
    logits = logits.round(3)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    scores = powers / powers.sum(axis=1, keepdims=True)
    guess = logits.argmax(axis=1)
    labels = list(range(classes))
    per_class = precision_recall_fscore_support(truth, guess, labels=labels, zero_division=0)
    averages = {
        # macro: scikit-learn's own choice of labels, those that occur or are predicted
        "macro": precision_recall_fscore_support(truth, guess, average="macro", zero_division=0)[:3],
        "weighted": precision_recall_fscore_support(truth, guess, average="weighted", zero_division=0)[:3],
    }
    return {
        "logits": logits.tolist(),
        "truth": truth.tolist(),
        "loss": log_loss(truth, scores, labels=labels),
        "accuracy": float((truth == guess).mean()),
        "topK": [top_k_accuracy_score(truth, scores, k=k, labels=labels) for k in range(1, min(5, classes - 1) + 1)] if classes > 2 else None,
        "precision": per_class[0].tolist(),
        "recall": per_class[1].tolist(),
        "f1": per_class[2].tolist(),
        "support": per_class[3].tolist(),
        "macro": [float(value) for value in averages["macro"]],
        "weighted": [float(value) for value in averages["weighted"]],
        "macroF1": float(f1_score(truth, guess, average="macro")),
        "confusion": confusion_matrix(truth, guess, labels=labels).tolist(),
        "balancedWeights": compute_sample_weight("balanced", truth).tolist(),
    }


def correlation_case(seed: int, examples: int, step: float) -> dict:
    """Numbers rounded to `step`, so that there are ties."""
    random = np.random.default_rng(seed)
    first = (random.normal(size=examples) / step).round() * step
    second = ((first + random.normal(size=examples)) / step).round() * step
    return {
        "first": first.tolist(),
        "second": second.tolist(),
        "pearson": float(pearsonr(first, second)[0]),
        "spearman": float(spearmanr(first, second)[0]),
        "meanAbsoluteError": float(np.abs(first - second).mean()),
        "rootMeanSquaredError": float(np.sqrt(((first - second) ** 2).mean())),
    }


def write(name: str, cases: list) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / f"{name}.json").write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")


if __name__ == "__main__":
    write("classification", [classification_case(1, 40, 3, 0), classification_case(2, 25, 2, 0), classification_case(3, 60, 7, 2), classification_case(4, 12, 9, 3)])
    write("correlation", [correlation_case(1, 30, 0.01), correlation_case(2, 30, 0.5), correlation_case(3, 3, 0.1)])
