"""The contract of each room, in prose and types: a part is anything that keeps it.

Parts need not inherit from these; a class of the user's, named by `_target_`, fits as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from harness.arrays import Arrays, Loaders
from harness.fold import Fold
from harness.predictor import Predictor
from harness.scores import Scores
from harness.table import Table
from harness.task import Task


class Extractor(Protocol):
    """data/extract: the outside world -> Table. Called once per run."""

    def __call__(self) -> Table: ...


class Splitter(Protocol):
    """split: Table -> Folds of disjoint rows, the same for the same table and seed."""

    def __call__(self, table: Table) -> list[Fold]: ...


class Transform(Protocol):
    """data/transform: Table -> Arrays. What `fit` learns, it learns from `rows` alone."""

    def fit(self, table: Table, rows: np.ndarray, task: Task) -> None: ...

    def __call__(self, table: Table) -> Arrays:
        """All rows of the table; the target column may be absent (then targets are None)."""
        ...

    def state(self) -> dict[str, Any]:
        """What was fitted, as `bytes`, numbers, strings and lists: no pickle."""
        ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Augment(Protocol):
    """data/augment: random change of a batch, (B, *shape) -> (B, *shape), on the batch's device.

    Used on training rows only; random numbers come from torch's global generators.
    """

    def __call__(self, inputs: Tensor) -> Tensor: ...


class Load(Protocol):
    """data/load: Arrays + Fold -> Loaders, batches on the device."""

    def __call__(self, arrays: Arrays, fold: Fold, device: torch.device) -> Loaders: ...


class Evaluator(Protocol):
    """evaluate: predictor + loaders -> scores. Never changes a weight or buffer of the model."""

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that `judge` gives, without prefix: what may be monitored."""
        ...

    def judge(self, predictor: Predictor, loaders: Loaders) -> dict[str, float]:
        """The quick scores of the valid part, by plain name; asked once per epoch."""
        ...

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The full scores of `part` ("valid" or "test"), baselines beside them.

        `untrained()` gives the same architecture with fresh random weights.
        """
        ...
