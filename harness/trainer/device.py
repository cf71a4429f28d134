"""Where a training runs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor

from harness.core.errors import UserError

Precision = Literal["fp32", "bf16", "fp16"]
_TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
AUTOCAST: dict[Precision, torch.dtype | None] = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The type of a forward pass under autocast, by `trainer.precision`."""


def find_device(name: str, option: str = "trainer.device=") -> torch.device:
    """The device of that name; "auto" takes CUDA, then Apple's MPS, then the CPU.

    Args:
        name: "auto", "cpu", "cuda:1" or another name of torch's.
        option: how the user gives the name, for the error.

    Raises:
        UserError: there is no such device on this machine.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        rule = f"{option}{name} cannot be used here ({reason})"
        raise UserError(rule, f"use {option}auto or cpu", key=option.rstrip("= "), value=name) from error
    return device


def check_precision(device: torch.device, precision: Precision) -> None:
    """Whether the device can train in that precision.

    A card that only emulates bfloat16 counts as one that cannot: it would be slower than in fp32. What
    else a device can do is found by trying it on two numbers.

    Raises:
        UserError: it cannot; says why, and what it can.
    """
    reason = None if precision == "fp32" else _objection(device, _TYPES[precision])
    if reason is not None:
        able = [name for name, dtype in _TYPES.items() if _objection(device, dtype) is None]
        remedy = " or ".join(f"trainer.precision={name}" for name in ("fp32", *able))
        raise UserError(
            f"trainer.precision={precision} cannot be had on {device} ({reason})",
            f"use {remedy}",
            key="trainer.precision",
        )


def _objection(device: torch.device, dtype: torch.dtype) -> str | None:
    """Returns why automatic mixed precision is not possible in that type; None: it is."""
    emulated = dtype == torch.bfloat16 and device.type == "cuda"
    if emulated and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "it has no arithmetic of that type"
    try:
        # Where torch does not know a type, it warns and computes in float32.
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            made = _try(device, dtype)
    except (RuntimeError, TypeError, ValueError, AssertionError, Warning) as error:
        return str(error).splitlines()[0].rstrip(".")
    return None if made == dtype else f"torch computes in {made} there"


def _try(device: torch.device, dtype: torch.dtype) -> torch.dtype:
    """The type that a product has under autocast, with its gradient taken."""
    weight = torch.ones(1, 1, device=device, requires_grad=True)
    with torch.autocast(device.type, dtype=dtype):
        product = torch.nn.functional.linear(torch.ones(2, 1, device=device), weight)
    # A loss in float16 is scaled, or its gradients would vanish.
    scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
    scaler.scale(product.float().sum()).backward()  # type: ignore[no-untyped-call]
    return product.dtype


def under_autocast(
    function: Callable[[Any], Tensor], device: torch.device, dtype: torch.dtype | None
) -> Callable[[Any], Tensor]:
    """The function under autocast to this type; None: as it is."""
    if dtype is None:
        return function
    # Only this function: around the whole step, autocast would change the augmentation too.
    casting: Any = torch.autocast(device.type, dtype=dtype)
    cast: Callable[[Any], Tensor] = casting(function)
    return cast
