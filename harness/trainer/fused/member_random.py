"""The random numbers of one training among several that share a process."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import numpy as np
import torch


@final
class MemberRandom:
    """States of the CPU's random generators, which one training has for itself.

    It begins with the present states of torch, Python and NumPy. `generator` is torch's: what is drawn from
    it is what the global generator would give to this training.
    """

    def __init__(self) -> None:
        self.generator = torch.Generator()
        self._take()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within this context the global generators are those of this training."""
        torch.set_rng_state(self.generator.get_state())
        random.setstate(self._python)
        np.random.set_state(self._numpy)
        try:
            yield
        finally:
            self._take()

    @contextmanager
    def drawing_order(self) -> Iterator[None]:
        """The same for torch's generator alone, from which the order of an epoch is drawn."""
        torch.set_rng_state(self.generator.get_state())
        try:
            yield
        finally:
            self.generator.set_state(torch.get_rng_state())

    def _take(self) -> None:
        self.generator.set_state(torch.get_rng_state())
        self._python = random.getstate()
        self._numpy = np.random.get_state()
