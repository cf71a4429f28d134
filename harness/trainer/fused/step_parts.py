"""The parts of a step, a named tuple: its tensors, and what those of several members have in common."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.core.arrays import ChosenRows, taken

_TENSORS = (Tensor, ChosenRows)


def tensors_of(parts: Any) -> list[Any]:
    """The tensors of parts, in order; parts are tensors, rows, tuples of parts, and whatever else."""
    if isinstance(parts, _TENSORS):
        return [parts]
    return [tensor for part in parts for tensor in tensors_of(part)] if isinstance(parts, tuple) else []


def whole(parts: Any) -> Any:
    """Equal parts, in which rows that are to be copied later are copies."""
    found = [taken([one])[0] if isinstance(one, ChosenRows) else one for one in tensors_of(parts)]
    return with_tensors(parts, found)


def with_tensors(parts: Any, tensors: Sequence[Tensor]) -> Any:
    """Equal parts with other tensors in the places of theirs."""
    return _filled(parts, iter(tensors))


def form_of(parts: Any) -> tuple[Any, ...]:
    """Equal for parts that can be stacked: shapes and types of tensors, and what is no tensor."""
    if isinstance(parts, _TENSORS):
        return parts.shape, parts.dtype
    if not isinstance(parts, tuple):
        return (parts,)
    # Written out for tensors: each step of each member asks.
    return tuple([(p.shape, p.dtype) if isinstance(p, _TENSORS) else form_of(p) for p in parts])


def stacked(own: Sequence[Any]) -> list[Tensor]:
    """The tensors of parts of one form, each (K, *shape)."""
    together = zip(*map(tensors_of, own), strict=True)
    return [taken(same) if isinstance(same[0], ChosenRows) else torch.stack(same) for same in together]


def _filled(parts: Any, tensors: Iterator[Tensor]) -> Any:
    if isinstance(parts, _TENSORS):
        return next(tensors)
    if not isinstance(parts, tuple):
        return parts
    filled = [_filled(part, tensors) for part in parts]
    return type(parts)(*filled) if hasattr(parts, "_fields") else tuple(filled)
