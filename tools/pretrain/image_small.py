"""Trains image-small: it learns to see in a crop what ImageNet's MobileNetV2 sees in it.

The loss compares maps and pooled features, each channel by its spread, and the classes that the teacher's own classifier would
name from either. Run `teach_crops.py` first. A run that was cut short goes on from its last checkpoint.
"""

import argparse
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from image_network import CONFIG, FEATURES, INPUT, ImageSmall
from teach_crops import MAP_SCALE, open_store

BATCH = 128
CHECKPOINT_EVERY = 500
HELD_OUT = 2048


class Crops:
    """Crops with the teacher's answers; the last 2048 are held out."""

    def __init__(self, work: Path, count: int, classifier: Path):
        self.crops, self.maps, self.pooled = open_store(work, count, "r")
        self.train = np.arange(count - HELD_OUT)
        self.held_out = np.arange(count - HELD_OUT, count)
        published = load_file(classifier)
        self.weight, self.bias = published["classifier.weight"], published["classifier.bias"]
        sample = np.random.default_rng(0).choice(self.train, 4096, replace=False)
        sample.sort()
        pooled = torch.from_numpy(self.pooled[sample]).float()
        maps = torch.from_numpy(self.maps[sample]).reshape(-1, FEATURES).float() / MAP_SCALE
        # A channel that the teacher hardly ever uses must not outweigh the others.
        self.pooled_scale = 1 / pooled.std(0).clamp_min(pooled.std(0).median() * 0.3)
        self.map_scale = 1 / maps.std(0).clamp_min(maps.std(0).median() * 0.3)

    def batch(self, rows: np.ndarray, rng: np.random.Generator | None) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Pixels, maps and pooled features of some rows; half of them mirrored where a generator is given."""
        rows = np.sort(rows)
        crops, maps = self.crops[rows], self.maps[rows]
        if rng is not None:
            flip = rng.random(len(rows)) < 0.5
            crops[flip], maps[flip] = crops[flip][:, :, ::-1], maps[flip][:, :, ::-1]
        pixels = torch.from_numpy(crops).permute(0, 3, 1, 2).float() / 127.5 - 1
        maps = torch.from_numpy(maps).permute(0, 3, 1, 2).float() / MAP_SCALE
        return pixels.contiguous(memory_format=torch.channels_last), maps, torch.from_numpy(self.pooled[rows]).float()

    def losses(self, maps: torch.Tensor, teacher_maps: torch.Tensor, teacher_pooled: torch.Tensor) -> dict[str, torch.Tensor]:
        """Squared error of maps and of pooled features in units of the teacher's spread, and the divergence of classes."""
        pooled = maps.mean((2, 3))
        logits, teacher_logits = (functional.linear(features, self.weight, self.bias) for features in (pooled, teacher_pooled))
        return {
            "map": ((maps - teacher_maps) * self.map_scale[:, None, None]).square().mean(),
            "pooled": ((pooled - teacher_pooled) * self.pooled_scale).square().mean(),
            "classes": functional.kl_div(functional.log_softmax(logits, 1), functional.softmax(teacher_logits, 1), reduction="batchmean"),
        }


LOSS_WEIGHTS = {"map": 1.0, "pooled": 1.0, "classes": 0.3}


STEPS, WARMUP, PEAK_RATE = 5000, 500, 2e-3


def rate_at(step: int) -> float:
    """Warm-up, then a cosine to nothing."""
    if step < WARMUP:
        return PEAK_RATE * (step + 1) / WARMUP
    return PEAK_RATE * 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / (STEPS - WARMUP)))


@torch.no_grad()
def held_out_losses(network: torch.nn.Module, crops: Crops) -> dict[str, float]:
    network.eval()
    sums: dict[str, float] = {}
    for rows in np.split(crops.held_out, len(crops.held_out) // BATCH):
        pixels, maps, pooled = crops.batch(rows, None)
        for name, loss in crops.losses(network(pixels), maps, pooled).items():
            sums[name] = sums.get(name, 0) + loss.item() * len(rows) / len(crops.held_out)
    network.train()
    return sums


def train(crops: Crops, options: argparse.Namespace) -> torch.nn.Module:
    torch.manual_seed(options.seed)
    network = ImageSmall().to(memory_format=torch.channels_last).train()
    decayed = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    plain = [parameter for parameter in network.parameters() if parameter.ndim == 1]
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.02}, {"params": plain, "weight_decay": 0}], lr=PEAK_RATE)
    checkpoint, first = options.work / "checkpoint.pt", 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        network.load_state_dict(state["network"]), optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
    per_epoch, started = len(crops.train) // BATCH, time.time()
    for step in range(first, STEPS):
        epoch, place = divmod(step, per_epoch)
        if place == 0 or step == first:
            order = np.random.default_rng([options.seed, epoch]).permutation(crops.train)
        for group in optimizer.param_groups:
            group["lr"] = rate_at(step)
        pixels, maps, pooled = crops.batch(order[place * BATCH : (place + 1) * BATCH], np.random.default_rng([options.seed, step]))
        losses = crops.losses(network(pixels), maps, pooled)
        total = sum(LOSS_WEIGHTS[name] * loss for name, loss in losses.items())
        optimizer.zero_grad()
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        if (step + 1) % 100 == 0:
            figures = " ".join(f"{name} {loss.item():.3f}" for name, loss in losses.items())
            print(f"step {step + 1}/{STEPS} {figures} {BATCH * (step + 1 - first) / (time.time() - started):.0f} crops/s", flush=True)
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == STEPS:
            print("held out", {name: round(loss, 4) for name, loss in held_out_losses(network, crops).items()}, flush=True)
            partial = checkpoint.with_suffix(".partial")
            torch.save({"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}, partial)
            partial.replace(checkpoint)
    return network.eval()


def save(network: torch.nn.Module, folder: Path) -> None:
    """Weights in torchvision's naming, and the config that `pack.ts` builds the network from."""
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: tensor.contiguous() for name, tensor in network.state_dict().items() if not name.endswith("num_batches_tracked")}
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"config": CONFIG, "input": INPUT}, indent=2) + "\n")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--count", type=int, required=True)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--threads", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(options.threads)
    crops = Crops(options.work, options.count, options.data / "weights" / "mobilenet-v2-1.0-224.huggingface" / "model.safetensors")
    save(train(crops, options), options.out)


if __name__ == "__main__":
    main()
