"""MobileNetV2 as transformers, timm and torchvision publish it."""

import json

import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from timm.layers import BatchNormAct2d
from timm.models._hub import save_for_hf
from timm.models.efficientnet import _gen_mobilenet_v2
from torch import nn
from torchvision.models import MobileNetV2
from torchvision.ops import Conv2dNormActivation
from torchvision.transforms._presets import ImageClassification
from transformers import MobileNetV2Config, MobileNetV2ForImageClassification, MobileNetV2ImageProcessor, MobileNetV2Model

from golden_case import INPUTS, Case
from randomize import randomize_torch

FAMILY = "mobilenet-v2"
TOP_CHANNELS = 96
PICTURES = ["rgb.png", "large.jpg"]

# Narrow networks, so that a checkpoint is about 100 kB. Where dividers are given the usual rounding to 8 is checked less.
HUGGING_FACE = {
    "huggingface": {
        "description": "bare MobileNetV2Model: names without a prefix, TensorFlow padding, crop of an even size",
        "config": {"depth_multiplier": 0.1, "finegrained_output": False},
        "processor": {"size": {"shortest_edge": 45}, "crop_size": {"height": 40, "width": 40}},
    },
    "huggingface-classifier": {
        "description": "MobileNetV2ForImageClassification: prefix and classifier, fine-grained output of 1280 channels, odd size, bicubic",
        "config": {"depth_multiplier": 0.1, "finegrained_output": True, "depth_divisible_by": 4, "min_depth": 4, "num_labels": 5},
        "processor": {"size": {"shortest_edge": 45}, "crop_size": {"height": 39, "width": 39}, "resample": 3},
        "classifier": True,
    },
    "huggingface-torch-padding": {
        "description": "tf_padding false, expand_ratio 3, small epsilon, ImageNet mean and deviation, crop that is not square and larger than the small pictures",
        "config": {"depth_multiplier": 0.1, "tf_padding": False, "expand_ratio": 3.0, "layer_norm_eps": 1e-5, "finegrained_output": False},
        "processor": {
            "size": {"shortest_edge": 40}, "crop_size": {"height": 35, "width": 66},
            "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        },
    },
    "huggingface-stem-expansion": {
        "description": "first_layer_is_expansion false (the stem's block widens too), channels divisible by 6 and at least 6, stretched to a square without a crop",
        "config": {"depth_multiplier": 0.15, "first_layer_is_expansion": False, "depth_divisible_by": 6, "min_depth": 6, "finegrained_output": False, "expand_ratio": 2.5},
        "processor": {"size": {"height": 33, "width": 47}, "do_center_crop": False},
    },
    "huggingface-stride-8": {
        "description": "output_stride 8: two stages are dilated instead of strided, by 2 and 4; TensorFlow padding",
        "config": {"depth_multiplier": 0.1, "output_stride": 8, "tf_padding": True, "finegrained_output": False, "depth_divisible_by": 4, "min_depth": 4},
        "processor": {"size": {"shortest_edge": 38}, "crop_size": {"height": 36, "width": 36}},
    },
}  # fmt: skip


def pictures():
    return [Image.open(INPUTS / name).convert("RGB") for name in PICTURES]


def outputs_of(pixels, features, pooled):
    return {
        "pixel_values": (pixels, "float32 [picture, channel, row, column]: the network's input"),
        "last_hidden_state": (features, "float32 [picture, channel, row, column]: the last feature map"),
        "pooler_output": (pooled, "float32 [picture, channel]: its mean over rows and columns"),
    }


def make_hugging_face(name, settings, seed):
    case = Case(FAMILY, name)
    torch.manual_seed(seed)
    kind = MobileNetV2ForImageClassification if settings.get("classifier") else MobileNetV2Model
    model = kind(MobileNetV2Config(**settings["config"])).eval()
    processor = MobileNetV2ImageProcessor(**settings["processor"])
    pixels = processor(pictures(), return_tensors="pt")["pixel_values"]
    randomize_torch(model, seed, pixels)
    model.half().save_pretrained(case.checkpoint)
    processor.save_pretrained(case.checkpoint)
    # What is written is what is run: float16 weights, float32 arithmetic.
    loaded = kind.from_pretrained(case.checkpoint, dtype=torch.float32).eval()
    with torch.no_grad():
        result = getattr(loaded, "mobilenet_v2", loaded)(pixels)
    case.write(
        f"transformers: {settings['description']}",
        ["transformers", "torch", "pillow"],
        PICTURES,
        outputs_of(pixels, result.last_hidden_state, result.pooler_output),
        preprocessing="PIL, convert('RGB'), then the slow MobileNetV2ImageProcessor of preprocessor_config.json",
    )


def narrow_timm(model):
    """The last convolution has 1280 channels at all widths; fewer keep the file small."""
    model.conv_head = nn.Conv2d(model.conv_head.in_channels, TOP_CHANNELS, 1, bias=False)
    model.bn2 = BatchNormAct2d(TOP_CHANNELS, act_layer=nn.ReLU6)
    model.classifier = nn.Linear(TOP_CHANNELS, model.num_classes)
    model.num_features = model.head_hidden_size = TOP_CHANNELS
    return model.eval()


def narrow_torchvision(model):
    model.features[-1] = Conv2dNormActivation(model.features[-1][0].in_channels, TOP_CHANNELS, kernel_size=1, activation_layer=nn.ReLU6)
    model.classifier[1] = nn.Linear(TOP_CHANNELS, model.classifier[1].out_features)
    return model.eval()


def make_timm(name, variant, description, seed, **arguments):
    case = Case(FAMILY, name)
    torch.manual_seed(seed)
    build = lambda: narrow_timm(_gen_mobilenet_v2(variant, num_classes=3, **arguments).eval())  # noqa: E731
    model = build()
    model.pretrained_cfg.update({"input_size": (3, 34, 34), "pool_size": (2, 2), "crop_pct": 0.875, "interpolation": "bicubic"})
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model), is_training=False)
    pixels = torch.stack([transform(picture) for picture in pictures()])
    randomize_torch(model, seed, pixels)
    save_for_hf(model.half(), case.checkpoint, safe_serialization=True)
    loaded = build()
    loaded.load_state_dict(load_file(case.checkpoint / "model.safetensors"))
    with torch.no_grad():
        features = loaded.float().forward_features(pixels)
        pooled = loaded.forward_head(features, pre_logits=True)
    config = json.loads((case.checkpoint / "config.json").read_text())
    case.write(
        f"timm: {description}",
        ["timm", "torch", "torchvision", "pillow"],
        PICTURES,
        outputs_of(pixels, features, pooled),
        preprocessing=f"PIL, convert('RGB'), then timm.data.create_transform for evaluation from pretrained_cfg: {transform}".replace("\n", " "),
        architecture=config["architecture"],
    )


def make_torchvision(seed):
    case = Case(FAMILY, "torchvision")
    torch.manual_seed(seed)
    build = lambda: narrow_torchvision(MobileNetV2(num_classes=3, width_mult=0.1).eval())  # noqa: E731
    model = build()
    recipe = {"resize_size": 44, "crop_size": 37}
    transform = ImageClassification(**recipe)
    pixels = torch.stack([transform(picture) for picture in pictures()])
    randomize_torch(model, seed, pixels)
    save_file(model.half().state_dict(), case.checkpoint / "model.safetensors")
    loaded = build()
    loaded.load_state_dict(load_file(case.checkpoint / "model.safetensors"))
    with torch.no_grad():
        features = loaded.float().features(pixels)
    case.write(
        "torchvision: MobileNetV2(width_mult=0.1), its state dict and no configuration",
        ["torchvision", "torch", "pillow"],
        PICTURES,
        outputs_of(pixels, features, features.mean([2, 3])),
        preprocessing={"torchvision.transforms._presets.ImageClassification": {**recipe, "interpolation": "bilinear", "antialias": True}},
    )


def make_mobilenet_v2_torch():
    for seed, (name, settings) in enumerate(HUGGING_FACE.items(), start=100):
        make_hugging_face(name, settings, seed)
    make_timm("timm", "mobilenetv2_035", "a narrow mobilenetv2, bicubic, crop_pct 0.875", 120, channel_multiplier=0.1)
    make_timm("timm-deep", "mobilenetv2_110d", "as mobilenetv2_110d: more blocks in a stage, fixed stem and head", 121,
              channel_multiplier=0.1, depth_multiplier=1.2, fix_stem_head=True)  # fmt: skip
    make_torchvision(130)
