"""Double precision: float64 on devices that have it.

Targets are kept in float64: float32 holds a Unix time in seconds to the nearest two minutes.
"""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def tensor_on_device(values: Tensor, device: torch.device) -> Tensor:
    """Moves values to a device, in float32 if they are float64 and the device has none (mps)."""
    return values.to(device, _lesser(values, device))


def module_on_device(module: M, device: torch.device) -> M:
    """Moves a module to a device, its tensors as `tensor_on_device` does."""
    if device.type == "mps":
        for part in module.modules():
            for name, buffer in list(part.named_buffers(recurse=False)):
                setattr(part, name, buffer.to(_lesser(buffer, device)))
    return module.to(device)


def at_least_single(values: Tensor) -> Tensor:
    """float32 instead of float16 and bfloat16; float32 and float64 as they are."""
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def _lesser(values: Tensor, device: torch.device) -> torch.dtype:
    absent = device.type == "mps" and values.dtype == torch.float64
    return torch.float32 if absent else values.dtype
