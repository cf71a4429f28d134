import pickle
import warnings

import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.errors import UserError
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.resident import Resident
from harness.data.load.sampler import ClassBalanced
from harness.data.load.stream import Stream, _Samples

CPU = torch.device("cpu")
TASK = Task("binary", ("a", "b"))


class Lazy:
    """Row i is (2i, 2i + 1), made when it is asked for; the row `broken` cannot be made."""

    def __init__(self, count: int, broken: int = -1) -> None:
        self.shape = (count, 2)
        self.broken = broken

    def take(self, rows: np.ndarray) -> torch.Tensor:
        if self.broken in rows:
            raise UserError(f"image {self.broken} cannot be decoded: it is cut off; correct the file.")
        return torch.from_numpy(np.stack([2 * rows, 2 * rows + 1], axis=1)).float()


def arrays(broken=-1) -> Arrays:
    return Arrays(Lazy(40, broken), torch.arange(40) % 2, TASK)


FOLD = Fold(0, np.arange(21), np.arange(21, 30), np.array([39, 35]), np.arange(30, 35))


def stream(made=None, *, device=CPU, **changes):
    options = {"batch_size": 4, "eval_batch_size": 8, "shuffle": True, "workers": 2, "prefetch": 2}
    return Stream(**(options | changes))(made or arrays(), FOLD, device)


def resident(**changes):
    return Resident(**({"batch_size": 4, "eval_batch_size": 8, "shuffle": True} | changes))(
        arrays(), FOLD, CPU
    )


def passes(loaders) -> list[tuple]:
    """Every batch of two epochs of each part, with an ordered pass between them."""
    torch.manual_seed(5)
    found = []
    for _ in range(2):
        for part in (loaders.train, loaders.unlabelled, loaders.valid, loaders.test):
            found += [*part, *part.ordered()]
    return [tuple(tensor.tolist() for tensor in batch[:3]) for batch in found]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "changes",
    [{}, {"shuffle": False}, {"sampler": ClassBalanced(replacement=True)}],
    ids=["shuffled", "in order", "class balanced"],
)
def test_the_batches_are_those_of_resident_for_the_same_seed(workers, changes):
    assert passes(stream(workers=workers, **changes)) == passes(resident(**changes))


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_pass_leaves_the_global_generator_where_resident_leaves_it(workers):
    states = []
    for loaders in (stream(workers=workers), resident()):
        torch.manual_seed(1)
        list(loaders.train)
        list(loaders.train.ordered())
        list(loaders.valid)
        states.append(torch.get_rng_state())
    assert torch.equal(*states)


@pytest.mark.slow
def test_a_pass_that_is_given_up_does_not_disturb_the_next():
    epochs = []
    for train in (stream().train, resident().train):
        torch.manual_seed(2)
        next(iter(train))
        epochs.append([batch.inputs.tolist() for batch in train])
    assert epochs[0] == epochs[1]


@pytest.mark.slow
def test_two_parts_may_be_passed_side_by_side():
    loaders = stream()
    for labelled, unlabelled in zip(loaders.train, loaders.unlabelled, strict=False):
        assert torch.equal(labelled.inputs[:, 0], 2.0 * labelled.rows)
        assert torch.equal(unlabelled.inputs[:, 0], 2.0 * unlabelled.rows)


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_what_a_worker_refuses_is_raised_unchanged(workers):
    with pytest.raises(UserError, match=r"^image 7 cannot be decoded: it is cut off; correct the file\.$"):
        list(stream(arrays(broken=7), workers=workers).train)


@pytest.mark.slow
def test_the_workers_of_a_training_part_stay_and_others_go():
    loaders = stream()
    list(loaders.train)
    (_, loader) = loaders.train._feed._staying
    workers = [worker.pid for worker in loader._iterator._workers]
    list(loaders.train)
    assert [worker.pid for worker in loader._iterator._workers] == workers
    list(loaders.valid)
    assert loaders.valid._feed._staying is None


def test_the_rows_and_targets_of_a_part_are_known_without_a_pass():
    loaders = stream()
    assert loaders.test.rows.tolist() == [39, 35]
    assert loaders.test.targets.tolist() == [1, 1]
    assert len(loaders.train) == 5


@pytest.mark.slow
def test_without_targets_batches_have_none():
    loaders = stream(Arrays(Lazy(40), None, Task("none")))
    assert next(iter(loaders.train)).targets is None
    assert loaders.train.targets is None


def test_samples_in_memory_need_no_workers():
    in_memory = Arrays(torch.zeros(40, 2), None, Task("none"))
    assert stream(in_memory, workers="auto").how == "stream to cpu, 0.0 MB, no workers"
    assert stream(workers=1).how == "stream to cpu, 0.0 MB, 1 worker"


def test_one_worker_per_core_is_the_automatic_number(monkeypatch):
    for cores, workers in ((3, 3), (64, 16)):
        monkeypatch.setattr("harness.data.load.stream._cores", lambda cores=cores: cores)
        assert stream(workers="auto").how.endswith(f"{workers} workers")


def test_what_a_worker_reads_from_survives_pickling():
    copied = pickle.loads(pickle.dumps(_Samples(arrays())))
    assert copied[torch.tensor([3])].tolist() == [[6, 7]]


def test_it_never_holds_the_samples():
    assert not Stream(batch_size=1, eval_batch_size=1, shuffle=True, workers=0, prefetch=1).holds(1, CPU)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("workers", -1, "workers must be auto, or 0 or more, got -1"),
        ("prefetch", 0, "prefetch must be 1 or more, got 0"),
        ("batch_size", 0, "batch_size must be auto, or 1 or more, got 0"),
    ],
)
def test_values_out_of_range_are_refused(name, value, words):
    with pytest.raises(ValueError, match=words):
        stream(**{name: value})


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_batches_reach_the_graphics_card_from_pinned_memory():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch deprecates what its own DataLoader calls
        for batch in stream(device=torch.device("cuda", 0)).train:
            assert batch.inputs.is_cuda
            assert torch.equal(batch.inputs[:, 0], 2.0 * batch.rows)
