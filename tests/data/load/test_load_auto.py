import numpy as np
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.fold import Fold
from harness.core.task import Task
from harness.data.load.auto import Auto

CPU = torch.device("cpu")
FOLD = Fold(0, np.arange(6), np.arange(6, 8), np.arange(8, 10))


class Lazy:
    def __init__(self, *shape: int) -> None:
        self.shape = shape

    def take(self, rows: np.ndarray) -> torch.Tensor:
        return torch.zeros(len(rows), *self.shape[1:]) + torch.from_numpy(rows)[:, None, None, None]


def auto(share=0.5) -> Auto:
    return Auto(batch_size=4, eval_batch_size=8, shuffle=True, share=share, workers=0, prefetch=2)


@pytest.fixture
def free(monkeypatch):
    """The CPU has 1 MB free."""
    monkeypatch.setattr("harness.data.load.auto.free", lambda device: 1_000_000)


@pytest.mark.usefixtures("free")
def test_samples_that_fit_in_the_share_are_resident():
    loaders = auto()(Arrays(Lazy(10, 3, 64, 64), None, Task("none")), FOLD, CPU)
    assert loaders.how == "resident on cpu, 0.5 MB"
    assert next(iter(loaders.test)).inputs[:, 0, 0, 0].tolist() == [8, 9]


@pytest.mark.usefixtures("free")
def test_samples_that_do_not_fit_are_streamed_and_the_reason_is_given():
    loaders = auto()(Arrays(Lazy(11, 3, 64, 64), None, Task("none")), FOLD, CPU)
    assert loaders.how == "stream: 0.5 MB of images, more than 50% of the 1.0 MB free on cpu"
    assert next(iter(loaders.test)).inputs[:, 0, 0, 0].tolist() == [8, 9]


@pytest.mark.usefixtures("free")
def test_samples_in_the_memory_of_the_device_stay_there():
    loaders = auto()(Arrays(torch.zeros(10, 100_000), None, Task("none")), FOLD, CPU)
    assert loaders.how == "resident on cpu, 4.0 MB"


@pytest.mark.usefixtures("free")
def test_the_loader_holds_as_much_as_the_share_allows():
    assert auto().holds(500_000, CPU)
    assert not auto().holds(500_001, CPU)
    assert auto(share=1.0).holds(1_000_000, CPU)


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_beyond_its_bounds_is_refused(share):
    with pytest.raises(ValueError, match=f"share must be above 0 and at most 1, got {share}"):
        auto(share=share)
