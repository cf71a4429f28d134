"""The interface of each kind of part: extract, split, transform, augment, load, evaluate.

A part need not inherit from these; any class with these methods can be named by `_target_`.

Of a run, extractor, splitter, loader, augmentation and evaluator are one object each for all folds: they keep
nothing between two calls. Each fold has a transform and a trainer of its own. See `harness.prepare.parts`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from harness.core.arrays import Arrays, Loaders
from harness.core.fold import Fold
from harness.core.predictor import Predictor
from harness.core.scores import Scores
from harness.core.table import Table
from harness.core.task import Task


class Extractor(Protocol):
    """data/extract: the outside world -> Table. Called once per run.

    One that reads local files may also have `fingerprint() -> str`, which changes whenever the files
    do; what it read is then kept for later commands (`data.cache`). Without it, or where it gives None,
    the source is remote and read anew by each command.
    """

    def __call__(self) -> Table: ...


@runtime_checkable
class ColumnPart(Protocol):
    """An item of data.transform.numeric or .categorical: an estimator as those of scikit-learn.

    It is cloned by `get_params` before it is fitted.
    """

    def fit(self, inputs: Any, targets: Any = None) -> Any: ...

    def transform(self, inputs: Any) -> Any: ...

    def get_params(self, deep: bool = True) -> dict[str, Any]: ...


class Splitter(Protocol):
    """split: Table -> Folds of disjoint rows, the same for the same table and seed.

    An attribute `grouped = True` promises that no group is in two parts, `timed = True` that no
    training row is later than a test row; the leakage guard holds it to that.
    """

    def __call__(self, table: Table) -> list[Fold]: ...


class Transform(Protocol):
    """data/transform: Table -> Arrays. What `fit` learns, it learns from `rows` alone.

    A transform may also have `arrange(table, holds) -> Table`: the part of its work that learns
    nothing from the rows, such as events joined to sequences or files decoded to pixels. It is done
    once, before the split, for all folds, and kept for later commands; `holds(size)` returns whether
    the loader would keep `size` bytes of float32 samples in memory, so that decoding ahead pays.

    And it may have `settings_for(table) -> RowSettings`: values of arguments that the user left to the
    data. They hold for all rows and never follow from a target; they replace what the configuration has.
    """

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

    One may also have `weak(inputs: Tensor) -> Tensor`, a milder change that leaves no doubt what a row
    is, with which semi-supervised methods guess a label. Without it, these take the row as it is.
    """

    def __call__(self, inputs: Tensor) -> Tensor: ...


class Load(Protocol):
    """data/load: Arrays + Fold -> Loaders, batches on the device."""

    def holds(self, size: int, device: torch.device) -> bool:
        """Whether `size` bytes of float32 samples would be kept in memory, all at once."""
        ...

    def __call__(self, arrays: Arrays, fold: Fold, device: torch.device) -> Loaders: ...


class Evaluator(Protocol):
    """evaluate: predictor + loaders -> scores. Never changes a weight or buffer of the model.

    One that can score predictions alone may also have `pool(outputs, targets) -> dict[str, float]`: the
    scores of all folds' out-of-fold predictions put together, from (n, C) float64 log-probabilities or
    (n,) float64 numbers. One that looks at representations may have `project(predictor, loaders, part,
    untrained) -> Projection | None`: what a picture of the part's shows. One whose `score` gives more than
    `validate` names that in `further: tuple[str, ...]`, so that a sweep may improve it.
    One whose `validate` or `pool` has an argument `names: Collection[str] | None = None` computes these
    scores only; a trial of a sweep and the importance of columns ask for few. None: all.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The scores that `validate` gives, without prefix: what may be monitored."""
        ...

    def validate(self, predictor: Predictor, loaders: Loaders) -> dict[str, float]:
        """The quick scores of the valid part, by plain name; called once per epoch."""
        ...

    def score(
        self, predictor: Predictor, loaders: Loaders, part: str, untrained: Callable[[], Predictor]
    ) -> Scores:
        """The full scores of `part` ("valid" or "test"), baselines beside them.

        `untrained()` gives the same architecture with fresh random weights.
        """
        ...
