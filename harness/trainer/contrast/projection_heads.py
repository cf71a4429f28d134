"""Projection and prediction heads between a representation and a loss."""

from __future__ import annotations

from typing import Literal

from torch import nn

Norm = Literal["hidden", "all", "none"]


def mlp(width: int, widths: list[int], norm: Norm = "hidden") -> nn.Sequential:
    """(B, width) -> (B, widths[-1]): linear layers with ReLU between them.

    Args:
        width: of what comes in.
        widths: of the layers; the last is that of the output.
        norm: batch normalisation behind the hidden layers, behind the output too (there without scale
            and shift), or none.
    """
    layers: list[nn.Module] = []
    for size in widths[:-1]:
        layers.append(nn.Linear(width, size))
        if norm != "none":
            layers.append(nn.BatchNorm1d(size))
        layers.append(nn.ReLU(inplace=True))
        width = size
    layers.append(nn.Linear(width, widths[-1]))
    if norm == "all":
        layers.append(nn.BatchNorm1d(widths[-1], affine=False))
    return nn.Sequential(*layers)


def require_widths(name: str, widths: list[int]) -> list[int]:
    """The widths of a head's layers.

    Raises:
        ValueError: there is none, or one is below 1.
    """
    if not widths or min(widths) < 1:
        raise ValueError(f"{name} must be a list of one or more widths of at least 1, got {widths}")
    return widths


def require_above(name: str, value: float, bound: float = 0) -> float:
    """The value.

    Raises:
        ValueError: it is not above the bound.
    """
    if not value > bound:
        raise ValueError(f"{name} must be above {bound:g}, got {value}")
    return value
