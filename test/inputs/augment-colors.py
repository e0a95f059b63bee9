"""Writes augment-colors.json: pictures whose colours Pillow and torchvision changed, base64 of 8-bit RGB.

Run:  pip install pillow==13.0.0 torch==2.9.1 torchvision==0.24.1 numpy && python augment-colors.py && npx prettier --write augment-colors.json
"""

import base64
import json
from pathlib import Path

import numpy as np
import PIL
import torch
import torchvision
from PIL import Image, ImageOps
from torchvision.transforms import functional

WIDTH, HEIGHT = 29, 23


def picture():
    """The same formula is in augment-colors.test.ts."""
    y, x, c = np.mgrid[0:HEIGHT, 0:WIDTH, 0:3]
    values = 20 + 15 * c + (x * (7 - 2 * c) + y * (3 + 4 * c) + (x * y * (c + 2)) // 3) % (190 - 30 * c)
    values[(x // 6 + y // 5) % 4 == 0] = 128
    return Image.fromarray(values.astype(np.uint8))


def hue(factor):
    """By floats, as torchvision treats tensors; Pillow would round hues to 8 bits."""
    tensor = torch.from_numpy(np.asarray(picture()).copy()).permute(2, 0, 1)
    return functional.adjust_hue(tensor, factor).permute(1, 2, 0).numpy()


cases = {"autocontrast": ImageOps.autocontrast(picture()), "equalize": ImageOps.equalize(picture())}
for bits in (4, 6, 8):
    cases[f"posterize {bits}"] = ImageOps.posterize(picture(), bits)
for threshold in (0, 25.5, 128, 255):
    cases[f"solarize {threshold}"] = ImageOps.solarize(picture(), threshold)
for factor in (0, 0.1, 0.7, 1, 1.3, 1.9):
    cases[f"brightness {factor}"] = functional.adjust_brightness(picture(), factor)
    cases[f"contrast {factor}"] = functional.adjust_contrast(picture(), factor)
    cases[f"saturation {factor}"] = functional.adjust_saturation(picture(), factor)
    cases[f"sharpness {factor}"] = functional.adjust_sharpness(picture(), factor)
for factor in (-0.5, -0.1, 0, 0.05, 0.3):
    cases[f"hue {factor}"] = hue(factor)

lines = ",\n".join(f'  {json.dumps(name)}: "{base64.b64encode(np.asarray(image).tobytes()).decode()}"' for name, image in cases.items())
versions = json.dumps({"pillow": PIL.__version__, "torchvision": torchvision.__version__.split("+")[0]})
Path(__file__).with_suffix(".json").write_text(f'{{ "versions": {versions}, "cases": {{\n{lines}\n}} }}\n')
