"""The student: a MobileNetV2 that halves its maps early and is wide where they are small, in torchvision's naming.

Stride-2 convolutions pad as TensorFlow does (more at the end), which tfjs computes without an extra padding step.
"""

import torch
from torch import nn

# Crops show things larger than whole photos do, so whole photos are shown at more pixels than the crops were
# (Touvron et al. 2019, "Fixing the train-test resolution discrepancy").
SIDE = 160
STEM_CHANNELS, STEM_OUTPUT, FEATURES = 16, 8, 1280
# (expanded, channels, stride) of block-1 on
BLOCKS = (
    (24, 24, 2), (72, 24, 1),
    (72, 48, 2), (144, 48, 1), (144, 48, 1),
    (192, 96, 2), (384, 96, 1), (384, 96, 1), (384, 96, 1), (384, 96, 1),
    (384, 192, 2), (768, 192, 1), (768, 192, 1), (768, 192, 1),
)  # fmt: skip
STAGES = (1, 2, 3, 5, 4)
EPSILON, MOMENTUM = 1e-3, 0.99

CONFIG = {
    "imageSize": [SIDE, SIDE],
    "padding": "tf",
    "epsilon": EPSILON,
    "momentum": MOMENTUM,
    "stemChannels": STEM_CHANNELS,
    "stemExpansion": False,
    "stemResidual": True,
    "stemOutput": STEM_OUTPUT,
    "blocks": [{"expanded": expanded, "channels": channels, "stride": stride} for expanded, channels, stride in BLOCKS],
    "stages": list(STAGES),
    "topChannels": FEATURES,
}

INPUT = {
    "kind": "image",
    "resize": {"mode": "stretch", "height": SIDE, "width": SIDE, "interpolation": "bilinear", "antialias": True},
    "crop": None,
    "scale": 1 / 127.5,
    "mean": [1, 1, 1],
    "std": [1, 1, 1],
    "channelOrder": "rgb",
}


class SamePadded(nn.Conv2d):
    """A convolution with TensorFlow's "same" padding for even maps."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, groups: int = 1):
        super().__init__(inputs, outputs, size, stride, padding=size // 2 if stride == 1 else 0, groups=groups, bias=False)

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return super().forward(nn.functional.pad(tensor, (0, 1, 0, 1)) if self.stride[0] == 2 else tensor)


def convolution(inputs: int, outputs: int, size: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution, normalisation, ReLU6."""
    norm = nn.BatchNorm2d(outputs, eps=EPSILON, momentum=1 - MOMENTUM)
    return nn.Sequential(SamePadded(inputs, outputs, size, stride, groups), norm, nn.ReLU6(inplace=True))


class InvertedResidual(nn.Module):
    """Widen, filter each channel, project back."""

    def __init__(self, inputs: int, expanded: int | None, channels: int, stride: int):
        super().__init__()
        inner = expanded or inputs
        widen = [] if expanded is None else [convolution(inputs, inner, 1)]
        project = [nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels, eps=EPSILON, momentum=1 - MOMENTUM)]
        self.conv = nn.Sequential(*widen, convolution(inner, inner, 3, stride, groups=inner), *project)
        self.adds = stride == 1 and inputs == channels

    def forward(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor + self.conv(tensor) if self.adds else self.conv(tensor)


class ImageSmall(nn.Module):
    """Pixels -1 to 1 [batch, 3, side, side] to maps [batch, 1280, side / 32, side / 32]; trained at 128."""

    def __init__(self):
        super().__init__()
        layers = [convolution(3, STEM_CHANNELS, 3, 2), InvertedResidual(STEM_CHANNELS, None, STEM_OUTPUT, 1)]
        inputs = STEM_OUTPUT
        for expanded, channels, stride in BLOCKS:
            layers.append(InvertedResidual(inputs, expanded, channels, stride))
            inputs = channels
        layers.append(convolution(inputs, FEATURES, 1))
        self.features = nn.Sequential(*layers)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.features(pixels)
