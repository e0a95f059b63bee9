"""Accuracy of the Python package setfit on small samples, to compare few-shot training with.

    python bench/fewshot_reference.py <data folder> <all-MiniLM-L6-v2 folder> <output folder> [--sets sst2 cr] [--samples-only]

Draws the samples first and writes each to `<output>/<set>.<examples a class>.<seed>.json` as `{"train": [{"text", "label"}, ...]}`,
so that another program can train on the same ones. Then trains on each with setfit's defaults and appends to `<output>/setfit.json`.
A cell that is in the file already is not run again. Test: the first 1,000 rows of `text/<set>/test.csv`.

Versions: setfit 1.1.3, sentence-transformers 5.2.3, transformers 4.57.6 (setfit 1.1.3 does not import with transformers 5),
datasets 3.6.0, torch 2.9.1, scikit-learn 1.9.1.
"""

import argparse
import csv
import itertools
import json
import os
import random
import tempfile
import time
from pathlib import Path

# The set with the longest texts last: it takes as long as the others together.
SETS = ("sst2", "cr", "tweet-emotion", "ag-news")
COUNTS = (8, 16)
SEEDS = (1, 2, 3)
TEST_ROWS = 1000


def read_rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def draw(rows, count, seed):
    """The same number of rows of each class, in a random order."""
    labels = sorted({row["label"] for row in rows})
    generator = random.Random(seed)
    chosen = []
    for label in labels:
        chosen += generator.sample([row for row in rows if row["label"] == label], count)
    generator.shuffle(chosen)
    return [{"text": row["text"], "label": row["label"]} for row in chosen]


def write_json(path, value):
    """Never half a file: written beside it, then renamed."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def write_samples(data, output, sets):
    for name in sets:
        rows = read_rows(data / "text" / name / "train.csv")
        for count in COUNTS:
            for seed in SEEDS:
                write_json(output / f"{name}.{count}.{seed}.json", {"train": draw(rows, count, seed)})


def train_and_test(minilm, train, test, seed):
    """Accuracy of setfit with its defaults: batch 16, one epoch, body rate 2e-5, oversampled pairs, logistic regression."""
    from datasets import Dataset
    from setfit import SetFitModel, Trainer, TrainingArguments

    labels = sorted({row["label"] for row in train})
    index = {label: number for number, label in enumerate(labels)}
    columns = {"text": [row["text"] for row in train], "label": [index[row["label"]] for row in train]}
    model = SetFitModel.from_pretrained(str(minilm), device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(output_dir=folder, seed=seed, save_strategy="no", report_to="none", show_progress_bar=False)
        trainer = Trainer(model=model, args=arguments, train_dataset=Dataset.from_dict(columns))
        started = time.time()
        trainer.train()
        seconds = time.time() - started
    predicted = [int(value) for value in model.predict([row["text"] for row in test], batch_size=32)]
    right = sum(labels[guess] == row["label"] for guess, row in zip(predicted, test))
    return right / len(test), seconds


def frozen_accuracy(minilm, train, test):
    """What logistic regression reaches on the embeddings before any training: what few-shot training has to add to."""
    from sentence_transformers import SentenceTransformer
    from sklearn.linear_model import LogisticRegression

    body = SentenceTransformer(str(minilm), device="cpu")
    head = LogisticRegression().fit(body.encode([row["text"] for row in train]), [row["label"] for row in train])
    return float(head.score(body.encode([row["text"] for row in test]), [row["label"] for row in test]))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("minilm", type=Path)
    parser.add_argument("output", type=Path)
    parser.add_argument("--sets", nargs="*", default=SETS, choices=SETS)
    parser.add_argument("--samples-only", action="store_true")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    write_samples(options.data, options.output, options.sets)
    if options.samples_only:
        return
    import torch

    torch.set_num_threads(options.threads)
    path = options.output / "setfit.json"
    results = json.loads(path.read_text()) if path.exists() else []
    done = {(cell["set"], cell["count"], cell["seed"]) for cell in results}
    for name, count, seed in itertools.product(options.sets, COUNTS, SEEDS):
        if (name, count, seed) in done:
            continue
        train = json.loads((options.output / f"{name}.{count}.{seed}.json").read_text(encoding="utf-8"))["train"]
        test = read_rows(options.data / "text" / name / "test.csv")[:TEST_ROWS]
        frozen = frozen_accuracy(options.minilm, train, test)
        accuracy, seconds = train_and_test(options.minilm, train, test, seed)
        cell = {"set": name, "count": count, "seed": seed, "accuracy": accuracy, "frozen": frozen, "seconds": round(seconds, 1)}
        results.append(cell)
        write_json(path, results)
        print(json.dumps(cell), flush=True)


if __name__ == "__main__":
    main()
