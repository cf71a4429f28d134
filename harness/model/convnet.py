"""A small convolutional network: the plain choice for small images such as the 8 x 8 digits."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from harness.model.option_checks import check_share, check_widths
from harness.model.pretrained_weights import load


class ConvNet(nn.Module):
    """Stages of 3 x 3 convolutions with batch normalisation, halved in between, averaged at the end.

    (B, C, H, W) -> (B, widths[-1]). Halving rounds up (7 -> 4, 1 -> 1), so that no pixel at the
    border is lost and images of any size fit.

    widths   channels of each stage
    depth    convolutions per stage
    dropout  share of the averaged channels that is zeroed in training

    Raises:
        ValueError: no widths, a width or depth below 1, or a dropout outside [0, 1).
    """

    takes: ClassVar[tuple[str, ...]] = ("image",)

    def __init__(
        self,
        shape: tuple[int, ...],
        *,
        widths: list[int],
        depth: int,
        dropout: float,
        weights: str | None = None,
    ) -> None:
        super().__init__()
        check_widths(widths)
        if depth < 1:
            raise ValueError(f"depth must be at least 1, got {depth}")
        check_share("dropout", dropout)
        channels = shape[0]
        self.stages = nn.Sequential()
        for number, width in enumerate(widths):
            if number > 0:
                self.stages.append(nn.MaxPool2d(2, ceil_mode=True))
            self.stages.append(_stage(channels, width, depth))
            channels = width
        self.dropout = nn.Dropout(dropout)
        self.width = channels
        if weights is not None:
            load(self, weights)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # a fifth quicker on the CPU

    def forward(self, inputs: Tensor) -> Tensor:
        representation: Tensor = self.dropout(self.stages(inputs).mean(dim=(2, 3)))
        return representation


def _stage(channels: int, width: int, depth: int) -> nn.Sequential:
    layers = nn.Sequential()
    for _ in range(depth):
        # The batch normalisation that follows has a bias of its own.
        layers.append(nn.Conv2d(channels, width, kernel_size=3, padding=1, bias=False))
        layers.append(nn.BatchNorm2d(width))
        layers.append(nn.ReLU())
        channels = width
    return layers
