"""text-transformer fine-tuned whole, in PyTorch, on every set: what is behind the head learns too.

AdamW with warm-up and cosine, a linear head on the mean over tokens; epochs and rates are the same for every set. The weights are
those before rounding to 8 bits.
"""

import argparse
import json
import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional
from transformers import BertModel

import word_pieces
from measure_text import SETS, interval, read
from text_transformer import Texts, pooled

EPOCHS, BATCH, RATE, HEAD_RATE, DROPPED = 4, 32, 2e-4, 2e-3, 0.1


def accuracy_on(folder: Path, data: Path, name: str, seed: int) -> tuple[float, int]:
    torch.manual_seed(seed)
    pieces = word_pieces.read(folder)
    (train, labels), (test, test_labels) = read(data, name, "train"), read(data, name, "test")
    classes = sorted(set(labels))
    targets = torch.tensor([classes.index(label) for label in labels])
    network = BertModel.from_pretrained(folder, add_pooling_layer=False, hidden_dropout_prob=DROPPED).train()
    head = torch.nn.Linear(network.config.hidden_size, len(classes))
    groups = [{"params": network.parameters(), "lr": RATE}, {"params": head.parameters(), "lr": HEAD_RATE}]
    optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
    texts, others = (Texts(word_pieces.encode(pieces, some, special=True)) for some in (train, test))
    rng = np.random.default_rng(seed)
    steps = EPOCHS * math.ceil(len(train) / BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / (0.1 * steps)) * 0.5 * (1 + math.cos(math.pi * min(1, step / steps))))
    for _ in range(EPOCHS):
        order = rng.permutation(len(train))
        for rows in np.array_split(order, math.ceil(len(order) / BATCH)):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                features = pooled(network, *texts.tensors(rows))
            loss = functional.cross_entropy(head(functional.dropout(features, DROPPED)), targets[rows])
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
    network.eval()
    with torch.inference_mode():
        rows = np.argsort(others.lengths)
        guesses = np.empty(len(test), int)
        for part in np.array_split(rows, math.ceil(len(rows) / 64)):
            guesses[part] = head(pooled(network, *others.tensors(part))).argmax(1)
    return float(np.mean(np.array(classes)[guesses] == test_labels)), len(test)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--network", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--sets", nargs="*", default=SETS)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    results = {}
    for name in options.sets:
        accuracy, count = accuracy_on(options.network, options.data, name, seed=1)
        low, high = interval(accuracy, count)
        results[name] = {"fine-tuned": accuracy, "count": count}
        print(f"{name:10} {accuracy:.4f} ({low:.3f} to {high:.3f})", flush=True)
    print("mean", np.mean([result["fine-tuned"] for result in results.values()]), flush=True)
    options.out.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
