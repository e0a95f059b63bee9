"""Draws the pictures that all cases share: synthetic, seeded, in the forms in which photos come."""

import shutil

import numpy as np
from PIL import Image, ImageDraw

from golden_case import INPUTS


def scene(width, height, seed, noise=6):
    """Smooth gradients, hard-edged shapes and some noise: uint8 [height, width, 3]."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / np.array([height, width]).reshape(2, 1, 1)
    waves = [np.sin(2 * np.pi * (a * x + b * y) + c) for a, b, c in random.uniform(0.3, 1.6, (3, 3))]
    base = np.stack([128 + 90 * wave for wave in waves], axis=-1)
    image = Image.fromarray(base.clip(0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    for index in range(5):
        left, top = random.uniform(0, 0.7, 2) * (width, height)
        right, bottom = (left, top) + random.uniform(0.1, 0.4, 2) * (width, height)
        shape = draw.ellipse if index % 2 else draw.rectangle
        shape([left, top, right, bottom], fill=tuple(int(value) for value in random.integers(0, 256, 3)))
    draw.line([0, height, width, 0], fill=(255, 240, 10), width=max(1, width // 60))
    return (np.asarray(image) + random.normal(0, noise, (height, width, 3))).clip(0, 255).astype(np.uint8)


def save_oriented(pixels, orientation, path):
    """Stores the pixels as they are, with an EXIF tag that asks the reader to turn them."""
    image = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(path, quality=92, exif=exif)


def draw_inputs():
    shutil.rmtree(INPUTS, ignore_errors=True)
    INPUTS.mkdir(parents=True)
    rgb = scene(67, 45, seed=1)
    image = Image.fromarray(rgb)
    image.save(INPUTS / "rgb.jpg", quality=90)
    image.save(INPUTS / "rgb.png", optimize=True)
    Image.fromarray(scene(320, 240, seed=2)).save(INPUTS / "large.jpg", quality=85)
    grey = Image.fromarray(scene(67, 45, seed=3)).convert("L")
    grey.save(INPUTS / "grey.jpg", quality=90)
    grey.save(INPUTS / "grey.png", optimize=True)
    deep = np.asarray(grey, np.uint16) * 257 + np.random.default_rng(4).integers(-128, 129, (45, 67))
    Image.fromarray(deep.clip(0, 65535).astype(np.uint16)).save(INPUTS / "grey16.png", optimize=True)
    alpha = np.linspace(0, 255, 67 * 45).reshape(45, 67).astype(np.uint8)
    Image.fromarray(np.dstack([scene(67, 45, seed=5), alpha])).save(INPUTS / "alpha.png", optimize=True)
    Image.fromarray(scene(67, 45, seed=6)).quantize(64, dither=Image.Dither.NONE).save(INPUTS / "palette.png", optimize=True)
    Image.fromarray(scene(67, 45, seed=7)).convert("CMYK").save(INPUTS / "cmyk.jpg", quality=92)
    save_oriented(scene(67, 45, seed=8), 6, INPUTS / "exif6.jpg")
    save_oriented(scene(67, 45, seed=9), 3, INPUTS / "exif3.jpg")
    Image.fromarray(np.array([[[200, 100, 50]]], np.uint8)).save(INPUTS / "1x1.png")
    whole = (INPUTS / "rgb.jpg").read_bytes()
    (INPUTS / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (INPUTS / "text.jpg").write_text("This is a text, whatever its name says.\n")
    for path in sorted(INPUTS.iterdir()):
        print(f"inputs/{path.name}  {path.stat().st_size} bytes")
