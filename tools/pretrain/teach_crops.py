"""Draws crops of the photos and writes down what the teacher, ImageNet's MobileNetV2, sees in each.

The teacher looks at 192 pixels, the student will look at the same crop at 128. Each worker fills every `workers`-th row of
`crops.u8` [count, 128, 128, 3], `map.u8` [count, 4, 4, 1280] (activations 0 to 6, times 42.5) and `pooled.f16` [count, 1280].
"""

import argparse
import random
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import MobileNetV2ForImageClassification

from photos import load_photos, training_picture

TEACHER_SIDE, STUDENT_SIDE, FEATURES, MAP_SIDE = 192, 128, 1280, 4
MAP_SCALE = 42.5
BATCH = 64


def open_store(work: Path, count: int, mode: str) -> tuple[np.memmap, np.memmap, np.memmap]:
    """The three tables on disk."""
    def table(name: str, dtype: str, *shape: int) -> np.memmap:
        return np.memmap(work / name, dtype=dtype, mode=mode, shape=(count, *shape))

    return (
        table("crops.u8", "uint8", STUDENT_SIDE, STUDENT_SIDE, 3),
        table("map.u8", "uint8", MAP_SIDE, MAP_SIDE, FEATURES),
        table("pooled.f16", "float16", FEATURES),
    )


class Teacher(torch.nn.Module):
    """Pixels -1 to 1 [batch, 3, side, side] to the maps of MobileNetV2 1.0 [batch, 1280, side / 32, side / 32]."""

    def __init__(self, folder: Path):
        super().__init__()
        self.body = MobileNetV2ForImageClassification.from_pretrained(folder).mobilenet_v2

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.body(pixels, return_dict=False)[0]


def teacher_of(data: Path) -> torch.nn.Module:
    """The teacher as a frozen graph."""
    teacher = Teacher(data / "weights" / "mobilenet-v2-1.0-224.huggingface").eval()
    sample = torch.zeros(BATCH, 3, TEACHER_SIDE, TEACHER_SIDE)
    return torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(teacher, sample)))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--work", type=Path, required=True)
    arguments.add_argument("--count", type=int, required=True)
    arguments.add_argument("--worker", type=int, default=0)
    arguments.add_argument("--workers", type=int, default=1)
    options = arguments.parse_args()
    torch.set_num_threads(1)
    photos, small = load_photos(options.data)
    print(f"{len(photos)} photos, {len(small)} small pictures", flush=True)
    crops, maps, pooled = open_store(options.work, options.count, "r+")
    teacher = teacher_of(options.data)
    started = time.time()
    own = list(range(options.worker, options.count // BATCH, options.workers))
    with torch.no_grad():
        for done, batch in enumerate(own):
            rng = random.Random(batch)  # each batch by its number, so that the count of workers changes nothing
            pictures = [training_picture(photos, small, TEACHER_SIDE, rng) for _ in range(BATCH)]
            pixels = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures])).permute(0, 3, 1, 2)
            features = teacher(pixels.float().contiguous() / 127.5 - 1).to_dense()
            map_, mean = torch.nn.functional.adaptive_avg_pool2d(features, MAP_SIDE), features.mean((2, 3))
            rows = slice(batch * BATCH, (batch + 1) * BATCH)
            crops[rows] = np.stack([np.asarray(p.resize((STUDENT_SIDE, STUDENT_SIDE), Image.Resampling.BILINEAR)) for p in pictures])
            maps[rows] = (map_.permute(0, 2, 3, 1) * MAP_SCALE).round().clamp(0, 255).to(torch.uint8).numpy()
            pooled[rows] = mean.half().numpy()
            (options.work / f"done.{options.worker}").write_text(str(batch + 1))
            if done % 50 == 0:
                print(f"{done}/{len(own)} batches, {BATCH * (done + 1) / (time.time() - started):.0f} crops/s", flush=True)


if __name__ == "__main__":
    main()
