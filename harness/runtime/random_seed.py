"""Seeds all random generators from one number."""

from __future__ import annotations

import random
from functools import cache
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seeds Python, NumPy and torch (all devices); the same seed gives the same run on the CPU."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    if _has_accelerator():
        torch.manual_seed(seed)
    else:  # it would prepare the seeds of devices that are not there, which takes a millisecond
        torch.default_generator.manual_seed(seed)


@cache
def _has_accelerator() -> bool:
    return torch.accelerator.is_available()


def generator_states() -> list[Any]:
    """The states of the CPU's generators; equal if nothing was drawn in between."""
    numpy: Any = np.random.get_state()
    return [random.getstate(), numpy[1].tobytes(), numpy[2:], torch.get_rng_state().tolist()]
