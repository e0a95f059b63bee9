"""Writes test/golden/heads/solvers.json: what scikit-learn makes of small random features, with the solvers that heads offer.

Run with Python 3 and: scikit-learn, numpy (the versions are written into the file).
    python tools/golden/heads.py
"""
import json
from pathlib import Path

import numpy as np
import sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import NearestCentroid

FILE = Path(__file__).resolve().parents[2] / "test" / "golden" / "heads" / "solvers.json"
VERSIONS = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}


def make_case(seed: int, examples: int, features: int, classes: int, strength: float, weighted: bool) -> dict:
    """Correlated features around class means that overlap; every class occurs."""
    random = np.random.default_rng(seed)
    truth = np.concatenate([np.arange(classes), random.integers(0, classes, size=examples - classes)])
    means = random.normal(size=(classes, features))
    mixing = random.normal(size=(features, features)) / np.sqrt(features)
    raw = (means[truth] + 1.5 * random.normal(size=(examples, features)) @ mixing) * random.uniform(0.1, 20, size=features) + 3
    raw = raw.round(3)
    weights = random.uniform(0.2, 3, size=examples).round(2) if weighted else np.ones(examples)
    # As the head's first layer does: every example counts alike there.
    standardized = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    regression = LogisticRegression(C=strength, tol=1e-10, max_iter=100000).fit(standardized, truth, sample_weight=weights)
    probabilities = regression.predict_proba(standardized)
    centroid = NearestCentroid().fit(standardized, truth)
    return {
        "features": raw.tolist(),
        "truth": truth.tolist(),
        "classes": classes,
        "weights": weights.tolist(),
        "strength": strength,
        "logistic": {
            # two classes: one vector, the difference of the two logits
            "coefficients": regression.coef_.tolist(),
            "intercepts": regression.intercept_.tolist(),
            "probabilities": probabilities.tolist(),
            "loss": log_loss(truth, probabilities, labels=list(range(classes)), sample_weight=weights),
        },
        "centroids": centroid.centroids_.tolist(),
        "nearest": centroid.predict(standardized).tolist(),
    }


def main() -> None:
    cases = {
        "two classes": make_case(1, 60, 6, 2, 1.0, False),
        "two classes, strong penalty, weights": make_case(2, 50, 8, 2, 0.02, True),
        "four classes": make_case(3, 90, 7, 4, 1.0, False),
        "four classes, weak penalty, weights": make_case(4, 80, 5, 4, 30.0, True),
        "more features than examples": make_case(5, 24, 40, 3, 0.1, False),
    }
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(json.dumps({"versions": VERSIONS, "cases": cases}) + "\n")


if __name__ == "__main__":
    main()
