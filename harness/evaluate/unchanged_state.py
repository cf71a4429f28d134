"""Checks that scoring does not change the model."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from harness.core.predictor import Predictor


@contextmanager
def unchanged(predictor: Predictor) -> Iterator[None]:
    """Checks that the block changes no parameter and no buffer.

    Raises:
        RuntimeError: one changed; the message names it.
    """
    before = _checksums(predictor)
    yield
    after = _checksums(predictor)
    changed = [name for name in before if before[name] != after.get(name)]
    if changed:
        raise RuntimeError(f"scoring must not change the model, and it changed {', '.join(changed)}")


def _checksums(predictor: Predictor) -> dict[str, int]:
    """CRC-32 of the bytes of each parameter and buffer, non-persistent buffers included."""
    modules = {"model": predictor.model, "head": predictor.head}
    return {
        f"{part}.{name}": _checksum(tensor)
        for part, module in modules.items()
        if module is not None
        for name, tensor in _tensors(module)
    }


def _tensors(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    return chain(module.named_parameters(), module.named_buffers())


def _checksum(tensor: torch.Tensor) -> int:
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return zlib.crc32(flat.view(torch.uint8).numpy().data)
