"""States of the random generators, and copies of training states."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor


def generators(device: torch.device) -> dict[str, Any]:
    """The state of every global random generator that training on `device` may draw from."""
    numpy: Any = np.random.get_state(legacy=False)
    state = {
        "torch": torch.get_rng_state(),
        "python": random.getstate(),
        # As bytes, because a checkpoint holds no arrays.
        "numpy": {**numpy, "state": {**numpy["state"], "key": numpy["state"]["key"].tobytes()}},
    }
    if device.type != "cpu":
        state["device"] = torch.get_device_module(device).get_rng_state(*_which(device))
    return state


def set_generators(state: dict[str, Any], device: torch.device) -> None:
    """Restores the states that `generators` returned.

    A training that moves to another kind of device uses that device's own generator.
    """
    torch.set_rng_state(state["torch"])
    random.setstate(state["python"])
    numpy = state["numpy"]
    key = np.frombuffer(numpy["state"]["key"], dtype=np.uint32)
    np.random.set_state({**numpy, "state": {**numpy["state"], "key": key}})
    if device.type != "cpu" and "device" in state:
        torch.get_device_module(device).set_rng_state(state["device"], *_which(device))


def _which(device: torch.device) -> tuple[torch.device, ...]:
    """The device as those functions take it: Apple's MPS is one and takes none."""
    return () if device.type == "mps" else (device,)


def copied(value: Any) -> Any:
    """A copy of nested dicts, lists and tensors, on the CPU, that later steps do not write into.

    A tensor that is divided over the processes is gathered; all processes must then call this.
    """
    if isinstance(value, Tensor):
        if hasattr(value, "full_tensor"):
            value = value.full_tensor()
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    if type(value) is tuple and set(map(type, value)) <= {int, float, str, bool, type(None)}:
        return value  # such as the 625 numbers of a generator of Python's
    if isinstance(value, list | tuple):
        return type(value)(copied(item) for item in value)
    return value
