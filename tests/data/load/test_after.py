"""Passes without their first batches, and batches of unlabelled rows of their own size."""

import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.auto import Auto
from harness.data.load.resident import Resident
from harness.data.load.sampler import ClassBalanced
from harness.data.load.stream import Stream

ARRAYS = Arrays(torch.arange(60.0).view(30, 2), torch.arange(30) % 2, Task("binary", ("a", "b")))
BATCHES = {"batch_size": 4, "eval_batch_size": 8, "shuffle": True}
STREAM = {"workers": 0, "prefetch": 2}


def loaders(load, **changes):
    rows = np.arange(30)
    return load(**(BATCHES | changes))(
        ARRAYS, Fold(0, rows[:13], rows[13:15], rows[15:17], rows[17:]), torch.device("cpu")
    )


def contents(batches):
    return [(batch.inputs.tolist(), batch.targets.tolist(), batch.rows.tolist()) for batch in batches]


@pytest.mark.parametrize(
    ("load", "changes"),
    [
        (Resident, {}),
        (Resident, {"shuffle": False}),
        (Resident, {"sampler": ClassBalanced(replacement=True)}),
        (Resident, {"passes": 2, "sampler": ClassBalanced(replacement=True)}),
        (Stream, STREAM),
        (Stream, STREAM | {"passes": 2}),
        pytest.param(Stream, STREAM | {"workers": 1}, marks=pytest.mark.slow),
        pytest.param(Stream, STREAM | {"shuffle": False, "workers": 1}, marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("batches", [0, 2, 3])
def test_a_pass_without_its_first_batches_is_the_rest_of_the_whole_one(load, changes, batches):
    train = loaders(load, **changes).train
    torch.manual_seed(0)
    whole = contents(train)
    torch.manual_seed(0)
    assert contents(train.after(batches)) == whole[batches:]
    assert len(whole) == len(train) == 3 * changes.get("passes", 1)


@pytest.mark.parametrize(
    ("load", "changes"), [(Resident, {}), (Stream, STREAM), (Auto, STREAM | {"share": 0.5})]
)
def test_an_epoch_of_two_passes_is_two_epochs_of_one(load, changes):
    once, twice = (loaders(load, passes=passes, **changes) for passes in (1, 2))
    torch.manual_seed(0)
    expected = contents(once.train) + contents(once.train)
    torch.manual_seed(0)
    assert contents(twice.train) == expected
    # What looks without learning sees each row once, and unlabelled rows are passed once.
    assert contents(twice.train.ordered()) == contents(once.train.ordered())
    assert (len(twice.valid), len(twice.unlabelled)) == (len(once.valid), len(once.unlabelled))


def test_an_epoch_has_a_pass_at_least():
    with pytest.raises(ValueError, match="passes must be auto, or 1 or more, got 0"):
        loaders(Resident, passes=0)


@pytest.mark.parametrize(("load", "changes"), [(Resident, {}), (Stream, STREAM)])
def test_a_pass_without_its_first_batches_draws_as_many_random_numbers(load, changes):
    train = loaders(load, **changes).train
    torch.manual_seed(0)
    list(train)
    left = torch.get_rng_state()
    torch.manual_seed(0)
    list(train.after(2))
    assert torch.equal(torch.get_rng_state(), left)


def test_a_stream_does_not_make_the_samples_that_are_left_out():
    asked = []

    class Watched:
        shape = (30, 2)

        def take(self, rows):
            asked.extend(rows.tolist())
            return ARRAYS.take(rows)

    arrays = Arrays(Watched(), ARRAYS.targets, ARRAYS.task)
    rows = np.arange(30)
    fold = Fold(0, rows[:12], rows[12:12], rows[12:12])
    train = Stream(**BATCHES, **STREAM)(arrays, fold, torch.device("cpu")).train
    rest = [row for batch in train.after(2) for row in batch.rows.tolist()]
    assert asked == rest
    assert len(rest) == 4


@pytest.mark.parametrize(
    ("load", "changes"), [(Resident, {}), (Stream, STREAM), (Auto, STREAM | {"share": 0.5})]
)
def test_unlabelled_rows_come_in_batches_of_their_own_size(load, changes):
    found = loaders(load, unlabelled_batch_size=6, **changes)
    assert [len(batch.rows) for batch in found.unlabelled] == [6, 7]
    assert [len(batch.rows) for batch in found.train] == [4, 4, 5]


@pytest.mark.parametrize(
    ("load", "changes"), [(Resident, {}), (Stream, STREAM), (Auto, STREAM | {"share": 0.5})]
)
def test_unlabelled_rows_come_as_many_at_a_time_as_labelled_ones_by_default(load, changes):
    assert [len(batch.rows) for batch in loaders(load, **changes).unlabelled] == [4, 4, 5]


def test_a_batch_without_unlabelled_rows_is_refused():
    with pytest.raises(ValueError, match="unlabelled_batch_size must be null, or 1 or more, got 0"):
        Resident(**BATCHES, unlabelled_batch_size=0)
