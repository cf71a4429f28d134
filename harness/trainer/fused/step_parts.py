"""The parts of a step, a named tuple: its tensors, and what those of several members have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor


def tensors_of(parts: Any) -> list[Tensor]:
    """The tensors of parts, in order; parts are tensors, tuples of parts, and whatever else is no tensor."""
    if isinstance(parts, Tensor):
        return [parts]
    return [tensor for part in parts for tensor in tensors_of(part)] if isinstance(parts, tuple) else []


def with_tensors(parts: Any, tensors: Sequence[Tensor]) -> Any:
    """Equal parts with other tensors in the places of theirs."""
    return _filled(parts, iter(tensors))


def form_of(parts: Any) -> tuple[Any, ...]:
    """Equal for parts that can be stacked: shapes and types of tensors, and what is no tensor."""
    if isinstance(parts, Tensor):
        return parts.shape, parts.dtype
    if not isinstance(parts, tuple):
        return (parts,)
    # Written out for tensors: each step of each member asks.
    return tuple([(p.shape, p.dtype) if isinstance(p, Tensor) else form_of(p) for p in parts])


def stacked(own: Sequence[Any]) -> list[Tensor]:
    """The tensors of parts of one form, each (K, *shape)."""
    return [torch.stack(same) for same in zip(*map(tensors_of, own), strict=True)]


def _filled(parts: Any, tensors: Iterator[Tensor]) -> Any:
    if isinstance(parts, Tensor):
        return next(tensors)
    if not isinstance(parts, tuple):
        return parts
    filled = [_filled(part, tensors) for part in parts]
    return type(parts)(*filled) if hasattr(parts, "_fields") else tuple(filled)
