"""harness/prepare/training_length.py"""

from __future__ import annotations

from typing import Any

import pytest

from harness.config.auto_choices import choose_epochs
from harness.config.compose import compose
from harness.prepare.plan import make_plan

DIGITS = ("data/extract=digits", "data.cache=off")
DIABETES = ("data/extract=diabetes", "data.cache=off")


def planned(*words: str) -> tuple[Any, str | None]:
    """The epochs in the configuration of the plan, and what was chosen."""
    plan = make_plan(compose([*words, "tracking=none"]))
    return plan.cfg.trainer.epochs, plan.chosen.get("trainer.epochs")


def test_few_rows_take_three_hundred_steps_and_many_twenty_epochs() -> None:
    assert choose_epochs(100, 64) == 150
    assert choose_epochs(1, 64) == 300
    assert choose_epochs(64 * 15, 64) == 20
    assert choose_epochs(64 * 15 - 64, 64) == 22  # 308 steps
    assert choose_epochs(1_000_000, 64) == 20


@pytest.mark.parametrize(
    ("words", "epochs"),
    [
        (DIGITS, 20),
        ((*DIGITS, "split.labelled=100"), 150),
        ((*DIGITS, "split.labelled=100", "trainer.update.accumulate=2"), 300),
        # 300 training rows or so, 5 steps an epoch.
        ((*DIABETES, "split=kfold"), 60),
        # A setting that refers to the number has it too.
        ((*DIABETES, "split=kfold", "trainer/scheduler=cosine"), 60),
        # Classes of a table gain nothing; weights that were learned before need fewer steps.
        (("data/extract=breast_cancer", "data.cache=off"), 20),
        ((*DIGITS, "split.labelled=100", "pretrain.words=trainer=contrastive"), 20),
        # Batches whose size is found by a trial in memory are not known yet.
        ((*DIABETES, "data.load.batch_size=auto"), 20),
    ],
)
def test_auto_counts_the_steps_of_images_and_numbers(words: tuple[str, ...], epochs: int) -> None:
    assert planned(*words) == (epochs, str(epochs))


def test_epochs_that_are_given_stay() -> None:
    assert planned(*DIABETES, "trainer.epochs=20") == (20, None)
    assert planned(*DIABETES, "trainer.epochs=null", "trainer.steps=7") == (None, None)
    assert planned(*DIGITS, "trainer=semi_supervised", "split.labelled=100")[1] is None
