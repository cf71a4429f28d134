from __future__ import annotations

import random

import numpy as np
import torch

from harness.runtime.random_seed import seed_everything


def draw(seed: int) -> tuple[float, float, float]:
    seed_everything(seed)
    return random.random(), float(np.random.random()), float(torch.rand(()))


def test_every_generator_follows_the_seed() -> None:
    assert draw(3) == draw(3)
    assert not set(draw(3)) & set(draw(4))
    assert len(draw(2**32 - 1)) == 3
