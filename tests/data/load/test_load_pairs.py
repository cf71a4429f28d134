"""A training batch brings the pairs of its rows along, wherever the samples are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.data.load.sampler import ClassBalanced
from harness.data.load.stream import Stream

ROWS = 12
FOLD = Fold(0, np.arange(10), np.array([10]), np.array([11]))
PAIRS = torch.tensor([[(row + 3) % 10, (row + 5) % 10] if row < 8 else [row, -1] for row in range(ROWS)])


def loaders(kind: str, pairs: torch.Tensor | None = PAIRS, **changes: Any) -> Any:
    inputs = torch.arange(ROWS * 2, dtype=torch.float32).reshape(ROWS, 2)
    arrays = Arrays(inputs, torch.arange(ROWS) % 2, Task("binary", ("a", "b")), pairs)
    arguments: dict[str, Any] = {"batch_size": 3, "eval_batch_size": 4, "shuffle": True} | changes
    load = Resident(**arguments) if kind == "resident" else Stream(**arguments, workers=0, prefetch=2)
    return load(arrays, FOLD, torch.device("cpu"))


@pytest.mark.parametrize("kind", ["resident", "stream"])
def test_rows_come_first_then_their_first_partners_then_their_second(kind: str) -> None:
    seen = []
    for batch in loaders(kind).train:
        rows, first, second = batch.rows.chunk(3)
        assert torch.equal(PAIRS[rows], torch.stack([first, second], dim=1))
        assert torch.equal(batch.inputs[:, 0], 2.0 * batch.rows)
        assert torch.equal(batch.targets, batch.rows % 2)
        seen += rows.tolist()
    # Rows 8 and 9 lack a partner and are no anchors.
    assert sorted(seen) == list(range(8))


@pytest.mark.parametrize("kind", ["resident", "stream"])
def test_a_pass_without_its_first_batches_is_the_rest_of_the_whole_pass(kind: str) -> None:
    train = loaders(kind).train
    torch.manual_seed(5)
    whole = [batch.rows.tolist() for batch in train]
    torch.manual_seed(5)
    assert [batch.rows.tolist() for batch in train.after(1)] == whole[1:]
    assert [len(rows) for rows in whole] == [9, 9, 6]


def test_validation_reads_each_row_once() -> None:
    train = loaders("resident").train
    assert train.rows.tolist() == list(range(10))
    assert torch.cat([batch.rows for batch in train.ordered()]).tolist() == list(range(10))
    assert len(train.targets) == 10


def test_the_order_is_that_of_the_rows_that_have_partners() -> None:
    """As if they were the part: pairs take no random number."""
    torch.manual_seed(1)
    drawn = [row for batch in loaders("resident").train for row in batch.rows.chunk(3)[0].tolist()]
    torch.manual_seed(1)
    assert drawn == torch.randperm(8).tolist()


def test_a_sampler_draws_among_the_rows_that_have_partners() -> None:
    train = loaders("resident", sampler=ClassBalanced(replacement=True)).train
    drawn = {row for _ in range(20) for batch in train for row in batch.rows.chunk(3)[0].tolist()}
    assert drawn == set(range(8))


def test_parts_that_do_not_train_have_no_partners() -> None:
    parts = loaders("resident")
    assert [batch.rows.tolist() for batch in parts.valid] == [[10]]
    assert [batch.rows.tolist() for batch in parts.test] == [[11]]
