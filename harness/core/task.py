"""The prediction task: classes, labels or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskKind = Literal["multiclass", "binary", "multilabel", "regression", "none"]

Scale = Literal["none", "log", "quantile"]
"""On what scale numbers are learned: as they are, log(1 + y), or by rank."""


@dataclass(frozen=True)
class Task:
    """What the target columns ask for.

    `classes` are the labels in the order of their codes 0 … C-1 (empty for a regression); of a
    multi-label task, the columns, each of which is 0 or 1. `columns` are the target columns of a
    regression on several, else empty. `scale` is that on which numbers are learned, see
    `harness.trainer.target_scale`; targets and predictions are in their own unit all the same.

    They are a property of the whole table, not of a fold, so that every fold predicts the same
    columns; no other fact of a test row reaches the training.
    """

    kind: TaskKind
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    scale: Scale = "none"

    @property
    def labelled(self) -> bool:
        return self.kind != "none"

    @property
    def classification(self) -> bool:
        """Whether each row has exactly one class."""
        return self.kind in ("multiclass", "binary")

    @property
    def positive(self) -> str | None:
        """Of two classes the positive one, which is the second; None of any other task."""
        return self.classes[1] if self.kind == "binary" else None

    @property
    def several(self) -> bool:
        """Whether a row has several targets: they are (N, T) then, not (N,)."""
        return self.kind == "multilabel" or bool(self.columns)

    @property
    def outputs(self) -> int:
        """Width of the supervised head: a logit per class, one logit (binary), a number per target."""
        if self.kind in ("multiclass", "multilabel"):
            return len(self.classes)
        return max(1, len(self.columns))
