import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays, ChosenRows, taken
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.data.load.sampler import ClassBalanced

ARRAYS = Arrays(torch.arange(40.0).view(20, 2), torch.arange(20) % 2, Task("binary", ("a", "b")))


def loaders(train=(), valid=(), test=(), unlabelled=(), *, arrays=ARRAYS, **changes):
    rows = (np.array(part, dtype=np.int64) for part in (train, valid, test, unlabelled))
    load = Resident(**({"batch_size": 4, "eval_batch_size": 8, "shuffle": True} | changes))
    return load(arrays, Fold(0, *rows), torch.device("cpu"))


def sizes(batches) -> list[int]:
    return [len(batch.rows) for batch in batches]


def test_a_single_row_left_over_joins_the_batch_before_it():
    train = loaders(range(9)).train
    assert sizes(train) == [4, 5]
    assert len(train) == 2
    assert sizes(loaders(range(10)).train) == [4, 4, 2]
    assert sizes(loaders(range(8)).train) == [4, 4]


def test_a_part_of_one_row_is_a_batch_of_one():
    assert sizes(loaders([7]).train) == [1]


def test_batches_of_one_row_are_possible():
    assert sizes(loaders(range(3), batch_size=1).train) == [1, 1, 1]


def test_a_batch_larger_than_the_part_holds_the_whole_part():
    assert sizes(loaders(range(5), batch_size=64).train) == [5]


def test_parts_without_rows_are_none():
    found = loaders(range(5))
    assert (found.valid, found.test, found.unlabelled) == (None, None, None)


def test_the_parts_that_train_are_shuffled_anew_each_epoch_by_the_global_generator():
    found = loaders(range(10), unlabelled=range(10, 20))
    for loader in (found.train, found.unlabelled):
        torch.manual_seed(3)
        epochs = [[row for batch in loader for row in batch.rows.tolist()] for _ in range(2)]
        assert epochs[0] != epochs[1]
        torch.manual_seed(3)
        assert [row for batch in loader for row in batch.rows.tolist()] == epochs[0]


def test_the_parts_that_judge_keep_their_order_in_larger_batches():
    found = loaders(range(3), valid=range(3, 15), test=[19, 17])
    assert sizes(found.valid) == [8, 4]
    assert torch.cat([batch.rows for batch in found.valid]).tolist() == list(range(3, 15))
    assert torch.cat([batch.rows for batch in found.test]).tolist() == [19, 17]


def test_without_shuffle_the_training_rows_keep_their_order():
    found = loaders([9, 3, 5, 1, 0, 2], shuffle=False)
    assert torch.cat([batch.rows for batch in found.train]).tolist() == [9, 3, 5, 1, 0, 2]


def test_an_ordered_pass_draws_no_random_number():
    train = loaders([9, 3, 5, 1, 0, 2, 4, 6, 8]).train
    before = torch.get_rng_state()
    passed = list(train.ordered())
    assert sizes(passed) == [9]
    assert passed[0].rows.tolist() == train.rows.tolist() == [9, 3, 5, 1, 0, 2, 4, 6, 8]
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_holds_the_inputs_and_targets_of_its_rows():
    (batch,) = loaders([4, 2], shuffle=False).train
    assert batch.inputs.tolist() == [[8, 9], [4, 5]]
    assert batch.targets.tolist() == [0, 0]


def test_inputs_that_are_copied_later_are_those_of_the_same_rows():
    train = loaders(range(10)).train
    torch.manual_seed(0)
    before = [(batch.inputs, batch.targets, batch.rows) for batch in train]
    torch.manual_seed(0)
    later = train.copied_later()
    for batch, (inputs, targets, rows) in zip(later, before, strict=True):
        assert isinstance(batch.inputs, ChosenRows)
        assert (batch.inputs.shape, batch.inputs.dtype) == (tuple(inputs.shape), inputs.dtype)
        assert torch.equal(taken([batch.inputs])[0], inputs)
        assert torch.equal(batch.targets, targets)
        assert torch.equal(batch.rows, rows)
    assert isinstance(next(later.ordered()).inputs, torch.Tensor)
    assert isinstance(next(iter(train)).inputs, torch.Tensor)


def test_without_targets_batches_and_parts_have_none():
    found = loaders([0, 1], arrays=Arrays(ARRAYS.inputs, None, Task("none")))
    assert next(iter(found.train)).targets is None
    assert found.train.targets is None


def test_the_tensors_are_moved_once_and_not_copied_where_they_already_are():
    train = loaders([0, 1]).train
    assert train._inputs.data_ptr() == ARRAYS.inputs.data_ptr()


class Lazy:
    """Row i is (i, -i), made when it is asked for."""

    shape = (20, 2)

    def __init__(self) -> None:
        self.asked: list[int] = []

    def take(self, rows: np.ndarray) -> torch.Tensor:
        self.asked.append(len(rows))
        return torch.from_numpy(np.stack([rows, -rows], axis=1)).float()


def test_samples_made_on_demand_are_made_once_in_blocks(monkeypatch):
    monkeypatch.setattr("harness.data.load.resident._BYTES_AT_ONCE", 7 * 2 * 4)
    lazy = Lazy()
    train = loaders([4, 2, 19], arrays=Arrays(lazy, None, Task("none")), shuffle=False).train
    for _ in range(2):
        (batch,) = train
        assert batch.inputs.tolist() == [[4, -4], [2, -2], [19, -19]]
    assert lazy.asked == [7, 7, 6]


def test_resident_holds_any_amount_and_names_the_device():
    assert Resident(batch_size=1, eval_batch_size=1, shuffle=True).holds(10**15, torch.device("cpu"))
    arrays = Arrays(torch.zeros(20, 6_000), None, Task("none"))
    assert loaders([0, 1], arrays=arrays).how == "resident on cpu, 0.5 MB"


def test_a_sampler_draws_the_training_rows_and_no_others():
    found = loaders(range(1, 16, 2), unlabelled=[2, 4, 6], test=[16, 17], sampler=Evens())
    assert [batch.rows.tolist() for batch in found.train] == [[1, 5, 9], [13]]
    assert len(found.train) == 2
    assert [batch.rows.tolist() for batch in found.train.ordered()] == [[*range(1, 16, 2)]]
    assert sorted(row for batch in found.unlabelled for row in batch.rows.tolist()) == [2, 4, 6]
    assert [batch.rows.tolist() for batch in found.test] == [[16, 17]]


class Evens:
    """A sampler of the user's own: every other row, in threes."""

    def sizes(self, codes, batch_size):
        return [3, 1]

    def length(self, codes):
        return 4

    def draw(self, codes):
        assert codes.tolist() == [1] * 8
        return torch.arange(0, 8, 2)


def test_a_sampler_that_keeps_the_batch_size_leaves_no_single_row():
    found = loaders(range(10), sampler=ClassBalanced(replacement=True), batch_size=3)
    assert sizes(found.train) == [3, 3, 4]


def test_a_regression_has_no_classes_to_balance():
    arrays = Arrays(torch.zeros(20, 2), torch.arange(20.0), Task("regression"))
    with pytest.raises(UserError, match="draws rows by their class, and no training row has one"):
        loaders(range(10), arrays=arrays, sampler=ClassBalanced(replacement=True))


def test_a_sampler_without_shuffle_is_refused():
    with pytest.raises(ValueError, match=r"shuffle must be true where there is a sampler, .* got false"):
        loaders([0], sampler=ClassBalanced(replacement=True), shuffle=False)


def test_shape_and_task_are_those_of_the_arrays():
    found = loaders([0, 1])
    assert found.shape == (2,)
    assert found.task == ARRAYS.task


@pytest.mark.parametrize(("name", "other"), [("batch_size", "auto, or "), ("eval_batch_size", "")])
def test_a_batch_without_rows_is_refused(name, other):
    with pytest.raises(ValueError, match=f"{name} must be {other}1 or more, got 0"):
        loaders([0], **{name: 0})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_iterating_does_not_wait_for_the_device():
    rows = np.arange(20)
    load = Resident(batch_size=4, eval_batch_size=8, shuffle=True)
    found = load(ARRAYS, Fold(0, rows[:10], rows[10:15], rows[15:]), torch.device("cuda"))
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [*found.train, *found.valid, *found.train.ordered()]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch in batches:
        assert torch.equal(batch.inputs.cpu(), ARRAYS.inputs[batch.rows.cpu()])
