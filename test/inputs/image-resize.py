"""Writes image-resize.json: SHA-256 of pictures that Pillow resized, to be matched exactly.

Run:  pip install pillow==13.0.0 numpy && python image-resize.py
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
# (width, height) before, (width, height) after: up, down, mixed, one axis, a single pixel, much lower than before
SIZES = [
    ((160, 213), (224, 298)), ((213, 160), (298, 224)), ((341, 256), (298, 224)), ((640, 480), (256, 256)),
    ((33, 77), (16, 100)), ((300, 200), (300, 100)), ((300, 200), (100, 200)), ((1, 1), (7, 5)), ((60, 300), (40, 50)),
]


def picture(width, height):
    """The same formula is in image-resize.test.ts."""
    y, x, c = np.mgrid[0:height, 0:width, 0:3]
    values = (x * 37 + y * 91 + c * 17 + x * y * 5) % 256
    values[(x // 8 + y // 8) % 3 == 0] = 255
    return Image.fromarray(values.astype(np.uint8))


cases = []
for before, after in SIZES:
    for name, number in FILTERS.items():
        resized = np.asarray(picture(*before).resize(after, number))
        cases.append({"before": before, "after": after, "interpolation": name, "sha256": hashlib.sha256(resized.tobytes()).hexdigest()})
lines = ",\n".join("  " + json.dumps(case) for case in cases)
Path(__file__).with_suffix(".json").write_text(f'{{ "pillow": "{PIL.__version__}", "cases": [\n{lines}\n] }}\n')
