"""The photos that image-small learns from, and the crops of them that teacher and student see."""

import random
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageEnhance

CIFAR_SIDE = 32


@dataclass(frozen=True)
class Photo:
    """A picture in memory and how much of it a crop must at least show."""

    image: Image.Image
    least_area: float


def load_photos(data: Path) -> tuple[list[Photo], list[Photo]]:
    """The photos marked for pretraining: (real photos, the small pictures of cifar10). Nothing marked for evaluation is opened."""
    images = data / "images"
    garments = sorted((images / "clothing" / "train").rglob("*.jpg")) + sorted((images / "clothing" / "validation").rglob("*.jpg"))
    lines = [line for name in ("train.txt", "val.txt") for line in (images / "grocery" / name).read_text().splitlines() if line]
    groceries = [images / "grocery" / line.split(",")[0] for line in lines]
    photos = [Photo(Image.open(path).convert("RGB"), 0.12) for path in garments + groceries]
    small = []
    for path in sorted((images / "cifar10").glob("*.png")):
        rows = Image.open(path).convert("RGB")
        for row in range(rows.height):
            pixels = rows.crop((0, row, rows.width, row + 1)).tobytes()
            small.append(Photo(Image.frombytes("RGB", (CIFAR_SIDE, CIFAR_SIDE), pixels), 0.5))
    return photos, small


def random_crop(photo: Photo, side: int, rng: random.Random) -> Image.Image:
    """A random part of a photo at `side` pixels, sometimes mirrored, turned, and with its colours moved."""
    image = photo.image
    for _ in range(10):
        area = image.width * image.height * rng.uniform(photo.least_area, 1.0)
        ratio = 2 ** rng.uniform(-0.5, 0.5)
        width, height = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
        if width <= image.width and height <= image.height:
            break
    else:
        width = height = min(image.size)
    left, top = rng.randint(0, image.width - width), rng.randint(0, image.height - height)
    crop = image.resize((side, side), Image.Resampling.BICUBIC, box=(left, top, left + width, top + height))
    if rng.random() < 0.5:
        crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if rng.random() < 0.2:
        crop = crop.rotate(rng.uniform(-25, 25), Image.Resampling.BILINEAR, fillcolor=tuple(rng.randrange(256) for _ in range(3)))
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        if rng.random() < 0.3:
            crop = enhance(crop).enhance(rng.uniform(0.6, 1.4))
    return crop


def training_picture(photos: list[Photo], small: list[Photo], side: int, rng: random.Random) -> Image.Image:
    """One picture to learn from: a crop, now and then blended with another or with a piece of another pasted in."""
    def pick() -> Image.Image:
        return random_crop(rng.choice(small if rng.random() < 0.15 else photos), side, rng)

    picture, chance = pick(), rng.random()
    if chance < 0.2:
        return Image.blend(picture, pick(), rng.uniform(0.25, 0.5))
    if chance < 0.3:
        width, height = rng.randint(side // 3, side), rng.randint(side // 3, side)
        left, top = rng.randint(0, side - width), rng.randint(0, side - height)
        picture.paste(pick().crop((left, top, left + width, top + height)), (left, top))
    return picture
