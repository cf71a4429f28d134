"""debug=lr reads a learning rate off the loss at rising rates."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from torch import nn

from harness.core.errors import Unproved
from harness.debug.rates import Rates, smoothed, suggest

RATES = [10 ** (-6 + step / 10) for step in range(61)]


def valley(rate: float) -> float:
    """Falls fastest at 1e-3, is lowest near 1e-1.5, and blows up behind."""
    place = math.log10(rate)
    return 1 - math.tanh(2 * (place + 3)) + math.exp(6 * (place + 0.6))


def test_the_steepest_fall_and_a_tenth_of_the_lowest_are_found() -> None:
    found = suggest(RATES, smoothed([valley(rate) for rate in RATES], 1.0, 4.0))
    assert found is not None
    assert found.steepest == pytest.approx(1e-3, rel=0.3)
    exact = min(RATES, key=valley)
    assert found.tenth == pytest.approx(exact / 10, rel=0.6)


def test_a_loss_that_only_rises_or_only_shakes_suggests_nothing() -> None:
    assert suggest(RATES, smoothed(range(1, 62), 1.0, 4.0)) is None
    shaken = [2 + 0.01 * (-1) ** step for step in range(61)]
    assert suggest(RATES, smoothed(shaken, 1.0, 4.0)) is None


def test_smoothing_is_a_gaussian_mean_of_the_neighbours_that_there_are() -> None:
    losses = [3.0, 1.0, 2.0, 5.0, 4.0]
    for place, found in enumerate(smoothed(losses, 1.0, blowup=100.0)):
        weights = [
            math.exp(-0.5 * (other - place) ** 2) if abs(other - place) <= 3 else 0.0 for other in range(5)
        ]
        expected = sum(w * loss for w, loss in zip(weights, losses, strict=True)) / sum(weights)
        assert found == pytest.approx(expected)


def test_rates_after_a_blow_up_are_ignored_like_the_first_ones() -> None:
    losses = [2.0, 1.0, 1.0, 1e6]
    np.testing.assert_allclose(smoothed(losses, 0.5, 4.0), smoothed([2.0, 1.0, 1.0, 4.0], 0.5, 4.0))


def test_the_search_writes_a_picture_and_prints_an_override(study: Callable[..., Any]) -> None:
    made = study("debug=lr", "data.load.batch_size=16", "trainer.steps=60")
    assert made.run() is None
    (note,) = made.notebook.notes
    assert note.startswith("trainer.optimizer.lr=")
    assert 1e-4 < float(note.split()[0].partition("=")[2]) < 1
    assert (made.notebook.folder / "lr.svg").read_text().startswith("<svg ")
    assert made.notebook.artifacts == [("lr.svg", "plots")]


def test_each_step_is_taken_at_its_rate_of_the_ramp(study: Callable[..., Any]) -> None:
    made = study("debug=lr", "trainer.steps=12", "debug.highest=1e-5")
    with pytest.raises(
        Unproved, match=r"^the loss fell at no rate between 1e-07 and 1e-05 \(see lr\.svg\); "
    ):
        made.run()
    trainer = made.experiment.trainer
    assert (trainer.step, trainer.budget.steps) == (12, 12)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(1e-5)
    assert (made.notebook.folder / "lr.svg").exists()


def explode(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.data.fill_(3e38)


def test_a_loss_that_is_not_finite_at_the_first_rates_is_reported(study: Callable[..., Any]) -> None:
    sentence = (
        r"^the loss blew up within \d steps of the search for a learning rate; lower "
        r"debug\.lowest=1e-07, or look for extreme values in the data\.$"
    )
    with pytest.raises(Unproved, match=sentence):
        study("debug=lr", change=explode).run()


def test_a_stop_ends_it_without_a_suggestion(study: Callable[..., Any]) -> None:
    made = study("debug=lr")
    assert made.run(stop=lambda: True) is None
    assert made.notebook.notes == []
    assert not (made.notebook.folder / "lr.svg").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"smoothing": 0.0}, "smoothing must be above 0 steps, got 0.0"),
        ({"blowup": 1.0}, "blowup must be above 1, got 1.0"),
    ],
)
def test_a_value_out_of_range_is_refused(change: dict[str, float], words: str) -> None:
    with pytest.raises(ValueError, match=f"^{words}$"):
        Rates(**({"lowest": 1e-7, "highest": 10.0, "smoothing": 2.0, "blowup": 4.0} | change))


def test_another_scheduler_than_the_ramp_is_refused(run_cli: Callable[..., Any]) -> None:
    answer = run_cli("debug=lr", "trainer/scheduler=step", "data/extract=iris", "trainer.device=cpu")
    assert answer.status == 2
    sentence = "error: trainer.scheduler.lowest is no argument of torch.optim.lr_scheduler.StepLR"
    assert answer.err.startswith(sentence)


def test_a_value_of_the_wrong_type_is_refused_by_its_key(run_cli: Callable[..., Any]) -> None:
    answer = run_cli("debug=lr", "debug.smoothing=much", "data/extract=iris", "trainer.device=cpu")
    assert answer.status == 2
    assert answer.err == "error: debug.smoothing must be a number, got 'much'.\n"


def test_a_value_out_of_range_is_refused_by_its_key(refusal: Callable[..., str]) -> None:
    sentence = refusal("debug=lr", "debug.blowup=1", "data/extract=iris", "trainer.device=cpu")
    assert sentence == "debug.blowup must be above 1, got 1."
