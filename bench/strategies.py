"""Each way to fine-tune in PyTorch: what `strategies.ts` is compared with.

    npx tsx bench/strategies.ts <data folder> <all-MiniLM-L6-v2 folder> <work folder> --prepare
    python bench/strategies.py <work folder> <mobilenet folder> <all-MiniLM-L6-v2 folder> [--sets ...] [--strategies ...] [--seeds 1 2]

Reads what `--prepare` wrote: the samples, the very pixels and token ids that TransferKit's networks take, and the strategies as plain
data. Adds each result to `<work folder>/torch.json`; what is there is not run again.

Versions: torch 2.9.1, transformers 4.57.6, peft 0.18.1, scikit-learn 1.9.1.
"""

import argparse
import itertools
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import torch
from peft import LoraConfig, inject_adapter_in_model
from sklearn.linear_model import LogisticRegression
from torch.nn import functional
from transformers import BertModel, MobileNetV2Model, logging

IMAGE_SETS = ("flowers", "cats-dogs", "clothing")
TEXT_SETS = ("sst2", "trec", "cr", "tweet-emotion")


def read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


class Photos:
    """MobileNetV2 in layer groups. What crosses a border of groups: float32 [channels, height, width] a photo."""

    def __init__(self, folder):
        self.model = MobileNetV2Model.from_pretrained(folder)
        self.groups = [self.model.conv_stem, *self.model.layer, self.model.conv_1x1]

    def read(self, samples, name, facts, count):
        height, width, channels = facts["shape"]
        pixels = np.fromfile(samples / f"{name}.f32", np.float32).reshape(count, height, width, channels)
        return list(torch.from_numpy(pixels).permute(0, 3, 1, 2))

    def collate(self, examples):
        return torch.stack(examples), None

    def run(self, hidden, _mask, first, last):
        for group in self.groups[first:last]:
            hidden = group(hidden)
        return hidden

    def split(self, hidden, _mask):
        return list(hidden)

    def pool(self, hidden, _mask):
        return hidden.mean((2, 3))

    def adapted(self):
        """Convolutions that are not depthwise."""
        return [name for name, module in self.model.named_modules() if isinstance(module, torch.nn.Conv2d) and module.groups == 1]

    def after_adapting(self):
        # TensorFlow's padding is computed from these, which PEFT's wrapper does not have.
        for module in self.model.modules():
            if hasattr(module, "base_layer"):
                module.stride, module.kernel_size, module.dilation = (
                    module.base_layer.stride,
                    module.base_layer.kernel_size,
                    module.base_layer.dilation,
                )


class Texts:
    """BERT in layer groups with the mean of the tokens, at length 1. What crosses a border: float32 [tokens, features] a text."""

    def __init__(self, folder):
        self.model = BertModel.from_pretrained(folder, add_pooling_layer=False, attn_implementation="eager")
        self.groups = [self.model.embeddings, *self.model.encoder.layer]

    def read(self, samples, name, _facts, _count):
        return [torch.tensor(ids) for ids in read_json(samples / f"{name}.ids.json")]

    def collate(self, examples):
        mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(example)) for example in examples], batch_first=True)
        return torch.nn.utils.rnn.pad_sequence(examples, batch_first=True), mask

    def run(self, hidden, mask, first, last):
        additive = (1 - mask[:, None, None, :]) * torch.finfo(torch.float32).min
        for index, group in enumerate(self.groups[first:last], first):
            out = group(hidden) if index == 0 else group(hidden, additive)
            hidden = out[0] if isinstance(out, tuple) else out
        return hidden

    def split(self, hidden, mask):
        return [row[: int(length)] for row, length in zip(hidden, mask.sum(1))]

    def pool(self, hidden, mask):
        mean = (hidden * mask[:, :, None]).sum(1) / mask.sum(1, keepdim=True)
        return functional.normalize(mean, dim=1)

    def adapted(self):
        return [name for name, module in self.model.named_modules() if isinstance(module, torch.nn.Linear)]

    def after_adapting(self):
        pass


class Head(torch.nn.Module):
    """A linear layer on standardised features."""

    def __init__(self, features, labels):
        super().__init__()
        spread = features.std(0, unbiased=False)
        usable = torch.where(spread < spread.mean() * 1e-3, spread.mean(), spread)
        self.register_buffer("mean", features.mean(0))
        self.register_buffer("scale", 1 / usable)
        self.linear = torch.nn.Linear(features.shape[1], labels)
        torch.nn.init.xavier_uniform_(self.linear.weight)
        torch.nn.init.zeros_(self.linear.bias)

    def standardize(self, features):
        return (features - self.mean) * self.scale

    def forward(self, features):
        return self.linear(self.standardize(features))


def schedule(recipe, step, steps):
    """Rate as a fraction of the peak, and momentum."""
    warmup = recipe["warmup"]
    if recipe["kind"] == "one-cycle":
        place = step / steps
        climbs = place < warmup
        part = place / warmup if climbs else (place - warmup) / (1 - warmup)
        along = lambda start, end: start + (1 - math.cos(math.pi * part)) * (end - start) / 2
        return (along(1 / 25, 1), along(0.95, 0.85)) if climbs else (along(1, 1e-5), along(0.85, 0.95))
    climb = min(steps - 1, math.floor(warmup * steps + 0.5))
    if step < climb:
        return (step + 1) / (climb + 1), None
    return 0.5 * (1 + math.cos(math.pi * (step - climb) / max(1, steps - climb))), None


def shuffled_batches(lengths, size, generator):
    """Batches of examples of alike length: sixteen batches are sorted together, then all are shuffled."""
    order, stretch = generator.permutation(len(lengths)), size * 16
    ordered = [i for start in range(0, len(order), stretch) for i in sorted(order[start : start + stretch], key=lambda i: lengths[i])]
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return [batches[i] for i in generator.permutation(len(batches))]


def group_rates(stage, count, first):
    """The head's rate, and one for each learning group."""
    rates = stage["rates"]
    if "from" in rates:
        return rates["to"], [rates["from"] * (rates["to"] / rates["from"]) ** (index / count) for index in range(first, count)]
    decay = rates.get("layerDecay", 1)
    return rates["head"], [rates.get("base", 0) * decay ** (count - 1 - index) for index in range(first, count)]


class Run:
    """One training: a network, a head, and the stages of a strategy."""

    def __init__(self, network, inputs, targets, labels, seed):
        torch.manual_seed(seed)
        self.generator = np.random.default_rng(seed)
        self.network, self.inputs, self.targets = network, inputs, torch.tensor(targets)
        self.lengths = [example.shape[0] if example.ndim == 1 else 1 for example in inputs]
        self.network.model.eval().requires_grad_(False)
        self.head = Head(self.features(inputs), labels)

    @torch.no_grad()
    def compute(self, examples, first, last):
        """What crosses the border in front of group `last`, example by example."""
        rows = []
        for start in range(0, len(examples), 32):
            hidden, mask = self.network.collate(examples[start : start + 32])
            rows += self.network.split(self.network.run(hidden, mask, first, last), mask)
        return rows

    @torch.no_grad()
    def features(self, examples):
        count, rows = len(self.network.groups), []
        for start in range(0, len(examples), 32):
            hidden, mask = self.network.collate(examples[start : start + 32])
            rows.append(self.network.pool(self.network.run(hidden, mask, 0, count), mask))
        return torch.cat(rows)

    def train(self, strategy):
        for stage in strategy["stages"]:
            if "solve" in stage:
                self.solve(stage)
            else:
                self.train_stage(stage)

    def solve(self, stage):
        features = self.head.standardize(self.features(self.inputs)).numpy()
        # Of two classes scikit-learn weighs the difference of scores alone: the same penalty on both scores is half of that.
        strength = stage["strength"] * (2 if self.head.linear.out_features == 2 else 1)
        fitted = LogisticRegression(C=strength, max_iter=2000).fit(features, self.targets.numpy())
        weight, bias = torch.tensor(fitted.coef_), torch.tensor(fitted.intercept_)
        if len(weight) == 1:  # two classes: scikit-learn gives the difference of their scores
            weight, bias = torch.cat([-weight / 2, weight / 2]), torch.cat([-bias / 2, bias / 2])
        with torch.no_grad():
            self.head.linear.weight.copy_(weight)
            self.head.linear.bias.copy_(bias)

    def learning(self, stage):
        """Parameter groups, and the first group of layers that is not computed ahead."""
        network, count, unfreeze = self.network, len(self.network.groups), stage["unfreeze"]
        first = count if unfreeze == "none" else 0 if unfreeze == "all" else count - unfreeze["last"]
        head_rate, rates = group_rates(stage, count, first)
        sets = [(self.head.parameters(), head_rate)]
        network.model.eval().requires_grad_(False)
        for group, rate in zip(network.groups[first:], rates):
            group.requires_grad_(True).train()
            sets.append((group.parameters(), rate))
        for module in network.model.modules():  # normalisation keeps the statistics of the checkpoint
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        if stage.get("adapter"):
            sets.append((self.adapter(), stage["rates"]["adapter"]))
            first = 0
        decay = stage["weightDecay"]
        return first, [
            {"params": some, "rate": rate, "weight_decay": value, "lr": rate}
            for parameters, rate in sets
            for parameters in [list(parameters)]
            for some, value in (
                ([p for p in parameters if p.ndim > 1], decay),
                ([p for p in parameters if p.ndim <= 1], 0.0),
            )
            if some
        ]

    def adapter(self):
        """PEFT's LoRA on every ordinary convolution or dense layer. The base's own dropout stays off, as in any frozen layer."""
        config = LoraConfig(r=8, lora_alpha=16, lora_dropout=0.0, target_modules=self.network.adapted())
        inject_adapter_in_model(config, self.network.model)
        self.network.after_adapting()
        self.network.model.eval()
        chosen = [p for name, p in self.network.model.named_parameters() if "lora_" in name]
        for parameter in chosen:
            parameter.requires_grad_(True)
        return chosen

    def train_stage(self, stage):
        network, count = self.network, len(self.network.groups)
        first, sets = self.learning(stage)
        pooled = self.features(self.inputs) if first == count else None
        stored = self.compute(self.inputs, 0, first) if 0 < first < count else self.inputs
        optimizer = torch.optim.AdamW(sets, eps=1e-8)
        parameters = [p for some in sets for p in some["params"]]
        steps, step = stage["epochs"] * math.ceil(len(self.inputs) / stage["batchSize"]), 0
        for _ in range(stage["epochs"]):
            for batch in shuffled_batches(self.lengths, stage["batchSize"], self.generator):
                factor, momentum = schedule(stage["schedule"], step, steps)
                step += 1
                for some in optimizer.param_groups:
                    some["lr"] = some["rate"] * factor
                    some["betas"] = (0.9 if momentum is None else momentum, 0.999)
                if pooled is None:
                    hidden, mask = network.collate([stored[i] for i in batch])
                    features = network.pool(network.run(hidden, mask, first, count), mask)
                else:
                    features = pooled[torch.tensor(batch)]
                loss = functional.cross_entropy(self.head(features), self.targets[torch.tensor(batch)])
                optimizer.zero_grad()
                loss.backward()
                torch.nn.utils.clip_grad_norm_(parameters, 1.0)
                optimizer.step()

    @torch.no_grad()
    def accuracy(self, examples, targets):
        self.network.model.eval()
        guesses = self.head(self.features(examples)).argmax(1)
        return float((guesses == torch.tensor(targets)).float().mean())


def write_json(path, value):
    """Never half a file: written beside it, then renamed."""
    temporary = path.with_suffix(".part")
    temporary.write_text(json.dumps(value, indent=1), encoding="utf-8")
    os.replace(temporary, path)


def run_cell(options, name, strategy, seed):
    samples = options.work / "samples"
    sample, facts = read_json(samples / f"{name}.json"), read_json(samples / f"{name}.facts.json")
    network = Photos(options.mobilenet) if sample["modality"] == "image" else Texts(options.minilm)
    if len(network.groups) != len(facts["groups"]):
        raise SystemExit(f"{name}: {len(network.groups)} groups here, {facts['groups']} there")
    count = len(sample["train"])
    inputs = network.read(samples, name, facts, count + len(sample["test"]))
    targets = [sample["labels"].index(row["label"]) for row in sample["train"] + sample["test"]]
    started = time.time()
    run = Run(network, inputs[:count], targets[:count], len(sample["labels"]), seed)
    apart = (run.features(inputs[:8]).flatten() - torch.tensor(facts["features"])).abs().max()
    if apart > 1e-3:
        raise SystemExit(f"{name}: features differ by {apart} before any training")
    run.train(read_json(samples / f"strategies.{sample['modality']}.json")[strategy])
    seconds = time.time() - started
    accuracy = run.accuracy(inputs[count:], targets[count:])
    return {"set": name, "strategy": strategy, "seed": seed, "accuracy": round(accuracy, 5), "seconds": round(seconds, 1)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("mobilenet", type=Path)
    parser.add_argument("minilm", type=Path)
    parser.add_argument("--sets", nargs="*", default=IMAGE_SETS + TEXT_SETS)
    parser.add_argument("--strategies", nargs="*")
    parser.add_argument("--seeds", nargs="*", type=int, default=[1, 2])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    logging.set_verbosity_error()
    path = options.work / "torch.json"
    results = read_json(path) if path.exists() else []
    done = {(cell["set"], cell["strategy"], cell["seed"]) for cell in results}
    names = options.strategies or list(read_json(options.work / "samples" / "strategies.text.json"))
    for seed, name, strategy in itertools.product(options.seeds, options.sets, names):
        if (name, strategy, seed) not in done:
            results.append(run_cell(options, name, strategy, seed))
            write_json(path, results)
            print(json.dumps(results[-1]), flush=True)


if __name__ == "__main__":
    main()
