"""Few and Steps give a part of the batches that the loader beneath them would give, in the same order."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays, Loader, Loaders
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.debug.first_batches import Few, each
from harness.debug.step_observer import Steps


@pytest.fixture
def loaders() -> Loaders:
    """22 training rows in batches of 5, 5, 5, 5 and 2; 9 valid ones; evaluated in batches of 4."""
    targets = torch.arange(31) % 2
    arrays = Arrays(torch.arange(31.0)[:, None], targets, Task("binary", ("no", "yes")))
    rows = np.arange(31)
    load = Resident(batch_size=5, eval_batch_size=4, shuffle=True)
    return load(arrays, Fold(0, rows[:22], rows[22:], rows[:0]), torch.device("cpu"))


def passed(loader: Loader, seed: int = 0) -> list[list[int]]:
    torch.manual_seed(seed)
    return [batch.rows.tolist() for batch in loader]


def test_few_are_the_first_batches_of_a_pass(loaders: Loaders) -> None:
    few = Few(loaders.train, 2)
    assert len(few) == 2
    assert passed(few) == passed(loaders.train)[:2]


def test_the_rows_of_few_are_those_of_its_first_ordered_batches(loaders: Loaders) -> None:
    few = Few(loaders.train, 2)
    assert [batch.rows.tolist() for batch in few.ordered()] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert few.rows.tolist() == list(range(8))
    assert few.targets is not None
    assert few.targets.tolist() == [0, 1] * 4


def test_few_of_a_part_that_has_fewer_are_all(loaders: Loaders) -> None:
    few = Few(loaders.train, 9)
    assert len(few) == 5
    assert sorted(row for batch in passed(few) for row in batch) == list(range(22))
    assert few.rows.tolist() == list(range(22))


def test_few_of_a_part_that_is_learned_from_alone_know_all_its_rows(loaders: Loaders) -> None:
    few = Few(loaders.train, 2, whole=True)
    assert passed(few) == passed(loaders.train)[:2]
    assert (
        few.rows.tolist()
        == list(range(22))
        == [row for batch in few.ordered() for row in batch.rows.tolist()]
    )
    assert few.targets is not None
    assert len(few.targets) == 22


def test_every_part_that_there_is_is_changed(loaders: Loaders) -> None:
    made = each(loaders, lambda loader: Few(loader, 1))
    assert made.valid is not None
    assert made.valid.rows.tolist() == [22, 23, 24, 25]
    assert (len(made.train), made.test, made.unlabelled) == (1, None, None)


def test_steps_follow_one_another_over_passes_without_their_small_last_batch(loaders: Loaders) -> None:
    torch.manual_seed(0)
    expected = [batch.rows.tolist() for _ in range(2) for batch in list(loaders.train)[:4]]
    torch.manual_seed(0)
    steps = Steps(loaders.train, 1)
    found = [[batch.rows.tolist() for batch in steps] for _ in range(8)]
    assert len(steps) == 1
    assert found == [[rows] for rows in expected]


def test_a_step_of_two_batches_takes_two(loaders: Loaders) -> None:
    steps = Steps(loaders.train, 2)
    assert len(steps) == 2
    assert [len(batch.rows) for batch in islice(steps, 9)] == [5, 5]


def test_the_same_step_again_and_again_is_the_first(loaders: Loaders) -> None:
    steps = Steps(loaders.train, 1, same=True)
    assert passed(steps) == passed(steps, seed=1)
    assert next(steps.ordered()).rows.tolist() == [0, 1, 2, 3]
    assert steps.rows.tolist() == list(range(22))
    assert steps.targets is not None
    assert len(steps.targets) == 22
