"""A batch divided over the processes of torchrun."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.batch_order import batch_sizes
from harness.data.load.resident import Resident
from harness.data.load.sampler import ClassBalanced
from harness.data.load.stream import Stream
from harness.runtime import distributed
from harness.runtime.process_group import rank

ARRAYS = Arrays(torch.arange(30.0)[:, None], torch.arange(30) % 2, Task("multiclass", ("a", "b")))
FOLD = Fold(0, np.arange(21), np.arange(21, 25), np.arange(25, 28), np.arange(28, 30))
RESIDENT = {"batch_size": 8, "eval_batch_size": 64, "shuffle": True}
STREAM = {**RESIDENT, "workers": 0, "prefetch": 1}


def passes(load, parts=("train",)):
    """Inputs, targets, rows and weight of every batch of two passes over each part."""
    loaders = load(ARRAYS, FOLD, torch.device("cpu"))
    batches = [batch for part in parts for _ in range(2) for batch in getattr(loaders, part)]
    return [(*(tensor.flatten().tolist() for tensor in batch[:3]), batch.weight) for batch in batches]


def share(load, parts=("train",)):
    """One process's passes; its own generator is far from the other's."""
    distributed.join_group()
    torch.manual_seed(5 + 100 * rank())
    found = passes(load, parts)
    distributed.leave_group()
    return found


@pytest.mark.parametrize("load", [Resident(**RESIDENT), Stream(**STREAM)], ids=["resident", "stream"])
def test_the_shares_of_a_batch_make_up_the_batch_of_a_single_process(processes, load):
    torch.manual_seed(5)
    whole = passes(load)
    first, second = (ended.value for ended in processes(share, load))
    assert [len(batch[2]) for batch in first] == [4, 4, 2] * 2
    assert [len(batch[2]) for batch in second] == [4, 4, 3] * 2
    for one, two, batch in zip(first, second, whole, strict=True):
        assert [a + b for a, b in zip(one[:3], two[:3], strict=True)] == list(batch[:3])
        mean = (one[3] * np.mean(one[0]) + two[3] * np.mean(two[0])) / 2
        assert mean == pytest.approx(np.mean(batch[0]))


def test_each_row_is_seen_once_in_an_epoch(processes):
    first, second = (ended.value for ended in processes(share, Resident(**RESIDENT)))
    for epoch in (slice(0, 3), slice(3, 6)):
        rows = [row for batch in first[epoch] + second[epoch] for row in batch[2]]
        assert sorted(rows) == list(range(21))
    assert [batch[2] for batch in first[:3]] != [batch[2] for batch in first[3:]]


def test_a_sampler_draws_for_all_processes(processes):
    load = Resident(**RESIDENT, sampler=ClassBalanced(replacement=True))
    torch.manual_seed(5)
    whole = passes(load)
    first, second = (ended.value for ended in processes(share, load))
    assert [one[2] + two[2] for one, two in zip(first, second, strict=True)] == [batch[2] for batch in whole]


def test_every_process_validates_all_rows(processes):
    parts = ("valid", "test")
    whole = passes(Resident(**RESIDENT), parts)
    assert [ended.value for ended in processes(share, Resident(**RESIDENT), parts)] == [whole, whole]


def test_rows_fewer_than_the_processes_join_the_batch_before(processes):
    def sizes():
        distributed.join_group()
        found = batch_sizes(10, 4), batch_sizes(9, 3), batch_sizes(11, 4)
        distributed.leave_group()
        return found

    assert batch_sizes(10, 4) == [4, 4, 2]
    assert [ended.value for ended in processes(sizes, count=3)] == [([4, 6], [3, 3, 3], [4, 4, 3])] * 3


def test_a_batch_of_fewer_rows_than_processes_is_refused(processes):
    def refused():
        distributed.join_group()
        try:
            Resident(**{**RESIDENT, "batch_size": 1})(ARRAYS, FOLD, torch.device("cpu"))
        except UserError as error:
            return str(error)

    assert [ended.value for ended in processes(refused)] == [
        "a batch is divided over the 2 processes of torchrun, and one of 1 rows cannot be; "
        "set data.load.batch_size=2 or more, or start fewer processes."
    ] * 2


@pytest.mark.parametrize(
    ("rows", "size", "sizes"),
    [
        (450, 64, [64] * 6 + [33, 33]),
        (65, 64, [33, 32]),
        (95, 64, [48, 47]),
        (96, 64, [64, 32]),
        (128, 64, [64, 64]),
        (5, 64, [5]),
        (3, 2, [3]),  # batch normalisation cannot train on one row
        (7, 3, [3, 2, 2]),
    ],
)
def test_few_rows_left_over_are_divided_with_the_batch_before(rows, size, sizes):
    found = batch_sizes(rows, size, share_last=True)
    assert found == sizes
    assert sum(found) == rows
