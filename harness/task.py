"""Task: what is to be predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskKind = Literal["multiclass", "binary", "regression", "none"]


@dataclass(frozen=True)
class Task:
    """What the target column asks for.

    `classes` are the labels in the order of their codes 0 … C-1 (empty for a regression).
    They are a property of the whole table, not of a fold, so that every fold predicts the same
    columns; no other fact of a test row reaches the training.
    """

    kind: TaskKind
    classes: tuple[str, ...] = ()

    @property
    def labelled(self) -> bool:
        return self.kind != "none"

    @property
    def classification(self) -> bool:
        return self.kind in ("multiclass", "binary")

    @property
    def outputs(self) -> int:
        """Width of the supervised head: C logits, one logit (binary) or one number."""
        return len(self.classes) if self.kind == "multiclass" else 1
