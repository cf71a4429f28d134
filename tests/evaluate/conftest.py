"""A loader of a few batches and predictors whose answers the test chose."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from harness.core.arrays import Batch, Loaders
from harness.core.predictor import Predictor
from harness.core.task import Task


class Part:
    """Rows in batches of seven; a plain pass shuffles by the global generator, as training does."""

    def __init__(self, inputs: Tensor, targets: Tensor | None) -> None:
        self.inputs = inputs
        self.targets = targets
        self.rows = torch.arange(len(inputs))

    def __iter__(self) -> Iterator[Batch]:
        return self._batches(torch.randperm(len(self.rows)))

    def __len__(self) -> int:
        return -(-len(self.rows) // 7)

    def ordered(self) -> Iterator[Batch]:
        return self._batches(torch.arange(len(self.rows)))

    def _batches(self, order: Tensor) -> Iterator[Batch]:
        for rows in order.split(7):
            yield Batch(self.inputs[rows], None if self.targets is None else self.targets[rows], rows)


MakeLoaders = Callable[..., Loaders]
MakePredictor = Callable[..., Predictor]


@pytest.fixture
def make_loaders() -> MakeLoaders:
    def make(
        task: Task,
        train: tuple[Tensor, Tensor | None],
        valid: tuple[Tensor, Tensor | None] | None = None,
        test: tuple[Tensor, Tensor | None] | None = None,
    ) -> Loaders:
        return Loaders(
            train=Part(*train),
            valid=Part(*valid) if valid else None,
            test=Part(*test) if test else None,
            unlabelled=None,
            shape=tuple(train[0].shape[1:]),
            task=task,
        )

    return make


class _First(nn.Module):
    """(B, 1) -> (B,)."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, 0]


@pytest.fixture
def echo() -> MakePredictor:
    """A predictor whose representation is its input, and whose outputs are too (or column 0)."""

    def make(
        task: Task, loss: Callable[[Tensor, Tensor], Tensor] | None = None, head: bool = True
    ) -> Predictor:
        wide = task.kind == "multiclass" or task.several
        final: nn.Module = nn.Identity() if wide else _First()
        return Predictor(nn.Identity(), final if head else None, task, loss)

    return make
