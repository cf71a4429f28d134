"""Residual networks (arXiv 1512.03385) with the parameter names of the published weights."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from harness.model.pretrained_weights import load

LARGEST_SMALL = 64
"""Images whose shorter side has at most so many pixels are too small for the ImageNet stem."""


_PLANES = 64
"""Channels of the stem and of the convolutions in the first stage; each further stage doubles them."""


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside a shortcut (figure 5, left): (B, C, H, W) -> (B, planes, H/s, W/s)."""

    expansion: ClassVar[int] = 1

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, planes, kernel=3, stride=stride)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _conv(planes, planes, kernel=3)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = _shortcut(channels, planes, stride)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        return self.bn2

    def forward(self, inputs: Tensor) -> Tensor:
        residual = relu(self.bn1(self.conv1(inputs)))
        residual = self.bn2(self.conv2(residual))
        return relu(residual + self.downsample(inputs))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions beside a shortcut (figure 5, right): 4 * planes channels come out.

    The stride is in the 3 x 3 convolution, not in the first 1 x 1 as in the paper: the variant
    known as v1.5, for which the published weights were trained.
    """

    expansion: ClassVar[int] = 4

    def __init__(self, channels: int, planes: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, planes, kernel=1)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = _conv(planes, planes, kernel=3, stride=stride)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = _conv(planes, planes * self.expansion, kernel=1)
        self.bn3 = nn.BatchNorm2d(planes * self.expansion)
        self.downsample = _shortcut(channels, planes * self.expansion, stride)

    @property
    def last_norm(self) -> nn.BatchNorm2d:
        return self.bn3

    def forward(self, inputs: Tensor) -> Tensor:
        residual = relu(self.bn1(self.conv1(inputs)))
        residual = relu(self.bn2(self.conv2(residual)))
        residual = self.bn3(self.conv3(residual))
        return relu(residual + self.downsample(inputs))


class ResNet(nn.Module):
    """A stem, four stages of residual blocks, the average over the last map.

    (B, C, H, W) -> (B, 512), or (B, 2048) with bottleneck blocks. Names and shapes of the
    parameters are those of torchvision's networks without `fc`.

    block               "basic" (ResNet-18, 34) or "bottleneck" (50, 101, 152)
    layers              blocks in each of the four stages
    stem                "imagenet": 7 x 7 convolution of stride 2 and max pooling, a quarter of the
                        side; "small": 3 x 3 of stride 1 and no pooling (arXiv 2002.05709, B.9);
                        "auto": by the shorter side of the images
    zero_init_residual  start each block as the identity (arXiv 1706.02677, section 5.1)

    Raises:
        ValueError: `layers` is not four numbers of at least 1.
    """

    takes: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        block: Literal["basic", "bottleneck"],
        layers: list[int],
        stem: Literal["auto", "imagenet", "small"],
        zero_init_residual: bool,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        if len(layers) != 4 or min(layers) < 1:
            raise ValueError(f"layers must be four numbers of at least 1, got {layers}")
        channels, *sides = shape
        if stem == "small" or (stem == "auto" and min(sides) <= LARGEST_SMALL):
            self.conv1 = _conv(channels, _PLANES, kernel=3)
            self.maxpool: nn.Module = nn.Identity()
        else:
            self.conv1 = _conv(channels, _PLANES, kernel=7, stride=2)
            self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.bn1 = nn.BatchNorm2d(_PLANES)
        kind = BasicBlock if block == "basic" else Bottleneck
        planes = [_PLANES * 2**stage for stage in range(4)]
        widths = [count * kind.expansion for count in planes]
        self.layer1 = _stage(kind, _PLANES, planes[0], layers[0], stride=1)
        self.layer2 = _stage(kind, widths[0], planes[1], layers[1], stride=2)
        self.layer3 = _stage(kind, widths[1], planes[2], layers[2], stride=2)
        self.layer4 = _stage(kind, widths[2], planes[3], layers[3], stride=2)
        self.width = widths[3]
        _initialise(self, zero_init_residual)
        if weights is not None:
            load(self, weights)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # ResNet-50 trains 2.4 times quicker on the CPU

    def forward(self, inputs: Tensor) -> Tensor:
        maps = self.maxpool(relu(self.bn1(self.conv1(inputs))))
        maps = self.layer4(self.layer3(self.layer2(self.layer1(maps))))
        representation: Tensor = maps.mean(dim=(2, 3))
        return representation


def _conv(channels: int, planes: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, planes, kernel, stride=stride, padding=kernel // 2, bias=False)


def _shortcut(channels: int, planes: int, stride: int) -> nn.Module:
    if stride == 1 and channels == planes:
        return nn.Identity()
    return nn.Sequential(_conv(channels, planes, kernel=1, stride=stride), nn.BatchNorm2d(planes))


def _stage(
    kind: type[BasicBlock] | type[Bottleneck], channels: int, planes: int, depth: int, stride: int
) -> nn.Sequential:
    first = kind(channels, planes, stride)
    return nn.Sequential(first, *(kind(planes * kind.expansion, planes, 1) for _ in range(depth - 1)))


def _initialise(network: ResNet, zero_init_residual: bool) -> None:
    """Normal weights whose variance keeps that of the gradient (arXiv 1502.01852, equation 14)."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif zero_init_residual and isinstance(module, BasicBlock | Bottleneck):
            nn.init.zeros_(module.last_norm.weight)
