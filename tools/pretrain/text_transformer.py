"""Trains text-transformer: a BERT of 3 layers whose mean over tokens says what the two teachers say of the sentence.

Word vectors start as those of text-small, so that from the first step on it only has to learn what their order adds. Run
`text_small.py` first. A run that was cut short goes on from its last checkpoint.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch.nn import functional
from transformers import BertConfig, BertModel

import word_pieces
from text_small import HELD_OUT, targets_of

PIECES, WIDTH, LAYERS, HEADS, INNER, LONGEST = 11_264, 256, 3, 4, 1024, 64
BATCH = 64
CHECKPOINT_EVERY = 1000


def student(vectors: torch.Tensor, seed: int) -> BertModel:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=PIECES,
        hidden_size=WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=INNER,
        max_position_embeddings=LONGEST,
        type_vocab_size=2,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        initializer_range=0.04,
        attn_implementation="sdpa",
    )
    network = BertModel(config, add_pooling_layer=False)
    with torch.no_grad():
        start = vectors[:PIECES] - vectors[:PIECES].mean(0)
        network.embeddings.word_embeddings.weight.copy_(start / start.std() * 0.08)
    return network


class Texts:
    """Token ids with [CLS] and [SEP], in batches of like length."""

    def __init__(self, ids: list[list[int]]):
        self.rows = [np.array(row[: LONGEST - 1] + row[-1:] if len(row) > LONGEST else row) for row in ids]
        self.lengths = np.array([len(row) for row in self.rows])

    def batches(self, rows: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
        """All rows once, in batches whose texts are about equally long, the batches in random order."""
        shuffled = rng.permutation(rows)
        groups = np.array_split(shuffled, max(1, len(shuffled) // (BATCH * 40)))
        batches = [batch for group in groups for batch in np.array_split(group[np.argsort(self.lengths[group], kind="stable")], math.ceil(len(group) / BATCH))]
        return [batches[index] for index in rng.permutation(len(batches))]

    def tensors(self, rows: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
        longest = self.lengths[rows].max()
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        for place, row in enumerate(rows):
            ids[place, : self.lengths[row]] = torch.from_numpy(self.rows[row])
            mask[place, : self.lengths[row]] = 1
        return ids, mask


def pooled(network: BertModel, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Mean over tokens [batch, 256]."""
    hidden = network(input_ids=ids, attention_mask=mask).last_hidden_state
    weights = mask.unsqueeze(-1).float()
    return (hidden.float() * weights).sum(1) / weights.sum(1)


def train(network: BertModel, texts: Texts, targets: torch.Tensor, options: argparse.Namespace) -> None:
    order = np.random.default_rng(options.seed).permutation(len(targets))
    held_out, rows = order[:HELD_OUT], order[HELD_OUT:]
    linear = torch.nn.Linear(WIDTH, targets.shape[1])
    model = torch.nn.ModuleDict({"network": network, "linear": linear})
    decayed = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in model.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0}], lr=options.rate)
    checkpoint, first = options.work / "transformer.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        model.load_state_dict(state["model"]), optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    per_epoch, started, running = len(texts.batches(rows, np.random.default_rng(0))), time.time(), []

    def loss_on(batch: np.ndarray) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            features = pooled(network, *texts.tensors(batch))
        return functional.mse_loss(linear(features.float()), targets[batch])

    for step in range(first, options.steps):
        epoch, place = divmod(step, per_epoch)
        if place == 0 or step == first:
            batches = texts.batches(rows, np.random.default_rng([options.seed, epoch]))
        warm = min(1.0, (step + 1) / 500)
        for group in optimizer.param_groups:
            group["lr"] = options.rate * warm * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        loss = loss_on(batches[place])
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running.append(loss.item())
        if (step + 1) % 200 == 0:
            print(f"step {step + 1}/{options.steps} loss {np.mean(running[-200:]):.4f} {BATCH * (step + 1 - first) / (time.time() - started):.0f} texts/s", flush=True)
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == options.steps:
            with torch.no_grad():
                losses = [loss_on(batch).item() for batch in np.array_split(held_out[np.argsort(texts.lengths[held_out])], HELD_OUT // BATCH)]
            print(f"held out {np.mean(losses):.4f}", flush=True)
            partial = checkpoint.with_suffix(".partial")
            torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, partial)
            partial.replace(checkpoint)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--small", type=Path, required=True, help="where text_small.py has written")
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--steps", type=int, required=True)
    arguments.add_argument("--rate", type=float, default=1e-3)
    arguments.add_argument("--seed", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    texts = json.loads((options.work / "texts.json").read_text())["texts"]
    pieces = word_pieces.read(options.small)[:PIECES]
    network = student(load_file(options.small / "model.safetensors")["embeddings"], options.seed).train()
    train(network, Texts(word_pieces.encode(pieces, texts, special=True)), targets_of(options.work), options)
    network.eval().save_pretrained(options.out)
    word_pieces.write(pieces, options.out)


if __name__ == "__main__":
    main()
