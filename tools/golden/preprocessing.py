"""From encoded pictures to pixels: decoding, resizing, and whole recipes of transformers, timm and torchvision."""

import numpy as np
import timm
from PIL import Image, ImageOps
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification
from transformers import MobileNetV2ImageProcessor

from golden_case import INPUTS, Case

FAMILY = "preprocessing"
FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
# [width, height] to which each picture is stretched: smaller, much smaller, larger, larger one way and smaller the other.
SIZES = {"rgb.png": [(41, 29), (75, 52), (90, 20)], "large.jpg": [(31, 23)], "1x1.png": [(3, 2)]}
PICTURES = ["rgb.png", "exif6.jpg"]


def read(name):
    """A picture as it is meant to be seen, in 8-bit RGB."""
    image = ImageOps.exif_transpose(Image.open(INPUTS / name))
    if image.mode == "I;16":
        values = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    return image.convert("RGB")


def make_decode():
    case = Case(FAMILY, "decode")
    whole = [path.name for path in sorted(INPUTS.iterdir()) if path.name not in ("truncated.jpg", "text.jpg", "large.jpg")]
    outputs = {name: (np.asarray(read(name)), "uint8 [row, column, RGB]") for name in whole}
    rules = {
        "orientation": "turned as the EXIF tag asks (PIL ImageOps.exif_transpose)",
        "alpha": "dropped; colours are not blended with anything (PIL convert('RGB'))",
        "grey": "the value in all three channels",
        "grey16": "floor((value + 128) / 257), which is value / 257 rounded; a shift by 8 bits differs by at most 1",
        "CMYK": "PIL convert('RGB'), without a colour profile; readers that use a profile differ a lot",
        "JPEG": "libjpeg-turbo with its defaults (accurate integer transform, smooth upsampling of chroma)",
    }
    case.write("what a decoder gives for each picture", ["pillow"], whole, outputs, rules=rules)


def make_resize():
    case = Case(FAMILY, "resize")
    outputs = {}
    for name, sizes in SIZES.items():
        for width, height in sizes:
            for filter_name, number in FILTERS.items():
                resized = read(name).resize((width, height), Image.Resampling(number))
                outputs[f"{name}/{filter_name}/{width}x{height}"] = (np.asarray(resized), "uint8 [row, column, RGB]")
    case.write("PIL's resize, by picture, filter, width x height; all but nearest widen the filter when shrinking (antialias)", ["pillow"], list(SIZES), outputs)


# preprocessor_config.json of transformers.
TRANSFORMERS = {
    "transformers-default": {"size": {"shortest_edge": 30}, "crop_size": {"height": 24, "width": 24}},
    "transformers-bicubic": {"size": {"shortest_edge": 27}, "crop_size": {"height": 24, "width": 24}, "resample": 3, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]},
    "transformers-nearest": {"size": {"shortest_edge": 25}, "crop_size": {"height": 22, "width": 21}, "resample": 0},
    "transformers-lanczos-stretch": {"size": {"height": 23, "width": 26}, "do_center_crop": False, "resample": 1},
    "transformers-crop-beyond": {"size": {"shortest_edge": 18}, "crop_size": {"height": 25, "width": 24}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.25, 0.3]},
    "transformers-unscaled": {"size": {"shortest_edge": 24}, "crop_size": {"height": 24, "width": 24}, "do_normalize": False, "rescale_factor": 1 / 127.5},
    "transformers-no-resize": {"do_resize": False, "crop_size": {"height": 24, "width": 25}},
}  # fmt: skip

# pretrained_cfg of timm.
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
TIMM = {
    "timm-bicubic": {"input_size": [3, 24, 24], "interpolation": "bicubic", "crop_pct": 0.875, "crop_mode": "center", **IMAGENET},
    "timm-bilinear-whole": {"input_size": [3, 23, 23], "interpolation": "bilinear", "crop_pct": 1.0, "crop_mode": "center", "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]},
    "timm-squash": {"input_size": [3, 24, 24], "interpolation": "bicubic", "crop_pct": 0.9, "crop_mode": "squash", **IMAGENET},
}  # fmt: skip

TORCHVISION = {
    "torchvision-bilinear": {"resize": 28, "crop": 24, "interpolation": "bilinear"},
    "torchvision-bicubic": {"resize": 25, "crop": 22, "interpolation": "bicubic"},
    "torchvision-crop-beyond": {"resize": 18, "crop": 23, "interpolation": "bilinear"},
}


def make_recipes():
    case = Case(FAMILY, "recipes")
    recipes, outputs = {}, {}

    def add(name, library, config, transform):
        recipes[name] = {"library": library, "config": config}
        for picture in PICTURES:
            pixels = np.asarray(transform(read(picture)), np.float32)
            outputs[f"{name}/{picture}"] = (pixels, "float32 [channel, row, column]")

    for name, settings in TRANSFORMERS.items():
        processor = MobileNetV2ImageProcessor(**settings)
        add(name, "transformers", processor.to_dict(), lambda image, processor=processor: processor(image, return_tensors="np")["pixel_values"][0])
    for name, settings in TIMM.items():
        arguments = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
        add(name, "timm", settings, timm.data.create_transform(**arguments, is_training=False))
    for name, settings in TORCHVISION.items():
        mode = InterpolationMode(settings["interpolation"])
        add(name, "torchvision", settings, ImageClassification(crop_size=settings["crop"], resize_size=settings["resize"], interpolation=mode))
    packages = ["transformers", "timm", "torchvision", "torch", "pillow"]
    case.write("whole recipes; transformers with its slow (PIL) processor; pictures are turned upright first", packages, PICTURES, outputs, recipes=recipes)


def make_preprocessing():
    make_decode()
    make_resize()
    make_recipes()
