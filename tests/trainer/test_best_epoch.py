"""Best keeps the weights of the epoch whose score was best."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from harness.core.epoch_ranking import EpochRanking
from harness.trainer.best_epoch import Best


def walk(monitor: str, scores: list[float | None]) -> tuple[float, list[bool], list[int]]:
    """Epoch e has the weight e; the weight in the end, which epochs were best, and the waiting."""
    network = nn.Linear(1, 1, bias=False)
    best = Best(EpochRanking.of(monitor, None), network)
    seen, waited = [], []
    for epoch, score in enumerate(scores, start=1):
        nn.init.constant_(network.weight, epoch)
        seen.append(best.see({} if score is None else {monitor: score}))
        waited.append(best.epochs_since)
    best.restore()
    return network.weight.item(), seen, waited


def test_the_highest_accuracy_is_best() -> None:
    assert walk("valid/accuracy", [0.5, 0.9, 0.7]) == (2, [True, True, False], [0, 0, 1])


def test_the_lowest_rmse_is_best() -> None:
    assert walk("valid/rmse", [5.0, 3.0, 4.0]) == (2, [True, True, False], [0, 0, 1])


def test_of_two_equal_epochs_the_later_is_kept_but_counts_as_waiting() -> None:
    assert walk("valid/accuracy", [0.9, 0.5, 0.9]) == (3, [True, False, True], [0, 1, 2])


def test_of_equal_epochs_the_one_of_the_lower_log_loss_is_kept_then_the_earlier() -> None:
    network = nn.Linear(1, 1, bias=False)
    best = Best(EpochRanking.of("valid/f1", ["valid/accuracy", "valid/log_loss"]), network)
    shown = [(0.9, 0.4), (0.9, 0.3), (0.9, float("nan")), (0.9, 0.3), (0.8, 0.1), (0.9, 0.5)]
    seen, waited = [], []
    for epoch, (accuracy, loss) in enumerate(shown, start=1):
        nn.init.constant_(network.weight, epoch)
        # A score that is not ranked decides nothing.
        seen.append(best.see({"valid/accuracy": accuracy, "valid/log_loss": loss, "valid/f1": epoch}))
        waited.append(best.epochs_since)
    best.restore()
    assert network.weight.item() == 2
    assert seen == [True, True, False, False, False, False]
    assert waited == [0, 1, 2, 3, 4, 5]
    again = Best(EpochRanking.of("valid/f1", ["valid/accuracy", "valid/log_loss"]), network)
    again.load_state_dict(best.state_dict())
    assert not again.see({"valid/accuracy": 0.9, "valid/log_loss": 0.35})
    assert again.see({"valid/accuracy": 0.9, "valid/log_loss": 0.25})


def test_a_nan_is_never_best() -> None:
    nan = float("nan")
    assert walk("valid/accuracy", [nan, 0.5, nan]) == (2, [False, True, False], [1, 0, 1])


def test_where_every_score_is_nan_the_last_epoch_stays() -> None:
    assert walk("valid/accuracy", [float("nan")] * 2) == (2, [False, False], [1, 2])


@pytest.mark.parametrize("monitor", ["valid/accuracy", "valid/rmse"])
def test_an_infinite_score_can_be_beaten(monitor: str) -> None:
    worst = float("-inf") if monitor == "valid/accuracy" else float("inf")
    assert walk(monitor, [worst, 0.5]) == (2, [True, True], [0, 0])


def test_without_a_score_each_epoch_is_the_best_and_none_is_waited_for() -> None:
    assert walk("valid/accuracy", [None, None]) == (2, [True, True], [0, 0])


def test_buffers_are_kept_with_the_weights() -> None:
    network = nn.BatchNorm1d(1)
    best = Best(EpochRanking.of("valid/accuracy", None), network)
    best.see({"valid/accuracy": 1.0})
    network(torch.randn(8, 1))
    best.restore()
    assert network.running_mean == 0
    assert network.num_batches_tracked == 0


def test_a_loaded_state_is_left_as_it_was() -> None:
    network = nn.Linear(1, 1, bias=False)
    state = {"value": 0.5, "epochs_since": 1, "weights": {"weight": torch.full((1, 1), 7.0)}}
    best = Best(EpochRanking.of("valid/accuracy", None), network)
    best.load_state_dict(state)
    assert best.see({"valid/accuracy": 0.4}) is False
    assert best.epochs_since == 2
    best.restore()
    assert network.weight.item() == 7
    best.see({"valid/accuracy": 0.6})
    assert state["weights"]["weight"].item() == 7


class Counting(nn.Linear):
    """Keeps a plain number beside its weights."""

    seen = 0

    def get_extra_state(self) -> dict[str, int]:
        return {"seen": self.seen}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.seen = state["seen"]


def test_the_extra_state_of_a_module_is_restored_too() -> None:
    network = Counting(1, 1)
    best = Best(EpochRanking.of("valid/accuracy", None), network)
    for network.seen, score in ((1, 0.5), (2, 0.9), (3, 0.7)):
        best.see({"valid/accuracy": score})
    again = Counting(1, 1)
    later = Best(EpochRanking.of("valid/accuracy", None), again)
    later.load_state_dict(best.state_dict())
    best.restore()
    later.restore()
    assert (network.seen, again.seen) == (2, 2)
    assert torch.equal(network.weight, again.weight)
