"""The random numbers of one training among several that share a process."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from numpy.random import mtrand


@final
class MemberRandom:
    """States of the CPU's random generators, which one training has for itself.

    It begins with the present states of torch, Python and NumPy. `generator` is torch's: what is drawn from
    it is what the global generator would give to this training.

    NumPy's functions draw from a bit generator of this training's own, which takes a hundredth of the time of
    reading and writing its 624 numbers. NumPy then forgets the second of two normal numbers that it made.
    """

    def __init__(self) -> None:
        self.generator = torch.Generator()
        self._numpy = copy.deepcopy(mtrand.get_bit_generator())
        self._take()

    @contextmanager
    def active(self) -> Iterator[None]:
        """Within this context the global generators are those of this training."""
        torch.set_rng_state(self.generator.get_state())
        random.setstate(self._python)
        shared = mtrand.get_bit_generator()
        mtrand.set_bit_generator(self._numpy)
        over = True
        try:
            yield
        except GeneratorExit:  # a training that was given up, at any later time: others have the generators
            over = False
            raise
        finally:
            if over:
                mtrand.set_bit_generator(shared)
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
