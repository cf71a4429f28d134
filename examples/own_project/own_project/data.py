"""A source: a class that returns a Table when called without arguments."""

from __future__ import annotations

import numpy as np
import pandas as pd

from harness.core.table import Table


class Moons:
    """Two half circles that reach into each other, in a plane; synthetic, the same rows for the same seed.

    Args:
        rows: how many points, half of them on each moon.
        noise: standard deviation of what is added to each coordinate; the circles have radius 1.
        seed: of the noise.

    Raises:
        ValueError: fewer than 2 rows, or a negative noise.
    """

    def __init__(self, *, rows: int, noise: float, seed: int) -> None:
        if rows < 2 or noise < 0:
            raise ValueError(f"rows must be at least 2 and noise not negative, got {rows} and {noise}")
        self.rows = rows
        self.noise = noise
        self.seed = seed

    def __call__(self) -> Table:
        """Columns `x`, `y` and `moon`, which is "upper" or "lower" and the target."""
        lower = np.arange(self.rows) % 2 == 1
        angle = np.pi * (np.arange(self.rows) // 2) / max(1, (self.rows - 1) // 2)
        x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
        y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
        added = self.noise * np.random.default_rng(self.seed).normal(size=(2, self.rows))
        frame = pd.DataFrame(
            {"x": x + added[0], "y": y + added[1], "moon": np.where(lower, "lower", "upper")}
        )
        return Table(frame, ("x", "y"), target=("moon",), name="moons")

    def fingerprint(self) -> str:
        """A text that changes whenever the rows do; harness then caches them for later commands."""
        return f"moons {self.rows} {self.noise} {self.seed}"
