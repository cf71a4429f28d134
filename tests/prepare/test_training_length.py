"""harness/prepare/training_length.py"""

from __future__ import annotations

from typing import Any

import pytest

from harness.config.auto_choices import EPOCHS, choose_epochs, choose_passes
from harness.config.compose import compose
from harness.core.errors import UserError
from harness.prepare.experiment import prepare
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
    assert choose_epochs(100, 64, passes=4) == 38  # 304 steps


@pytest.mark.parametrize(
    ("rows", "valid_rows", "passes"),
    [
        (40, 0, 5),  # one step a pass, five in an epoch
        (100, 0, 3),  # two steps
        (320, 0, 1),
        # 216 rows forward cost at most a fifth of nine passes over 40 rows, forward and backward.
        (40, 216, 9),
        (40, 100_000, 15),  # of 300 steps there are 20 epochs to choose from, however many rows validate
        (1_000, 100_000, 1),
    ],
)
def test_few_rows_are_passed_so_often_that_validation_takes_a_fifth_of_an_epoch(
    rows: int, valid_rows: int, passes: int
) -> None:
    assert choose_passes(rows, valid_rows, 64) == passes
    assert choose_epochs(rows, 64, passes) >= EPOCHS


@pytest.mark.parametrize(
    ("words", "epochs", "passes"),
    [
        (DIGITS, 20, 1),
        # 216 rows validate.
        ((*DIGITS, "split.labelled=100"), 38, 4),
        ((*DIGITS, "split.labelled=100", "trainer.update.accumulate=2"), 60, 5),
        ((*DIGITS, "split.labelled=100", "data.load.passes=1"), 150, 1),
        ((*DIGITS, "split.labelled=100", "data.load.passes=2"), 75, 2),
        # 300 training rows or so, 5 steps an epoch.
        ((*DIABETES, "split=kfold"), 60, 1),
        # A setting that refers to the number has it too.
        ((*DIABETES, "split=kfold", "trainer/scheduler=cosine"), 60, 1),
        # Classes of a table gain nothing; weights that were learned before need fewer steps.
        (("data/extract=breast_cancer", "data.cache=off"), 20, 1),
        ((*DIGITS, "split.labelled=100", "pretrain.words=trainer=contrastive"), 20, 1),
        # Batches whose size is found by a trial in memory are not known yet.
        ((*DIABETES, "data.load.batch_size=auto"), 20, 1),
    ],
)
def test_auto_counts_the_steps_of_images_and_numbers(
    words: tuple[str, ...], epochs: int, passes: int
) -> None:
    assert planned(*words) == (epochs, str(epochs))
    assert make_plan(compose([*words, "tracking=none"])).cfg.data.load.passes == passes


def test_passes_that_were_chosen_are_named() -> None:
    named = make_plan(compose([*DIGITS, "split.labelled=40", "tracking=none"])).chosen
    assert (named["trainer.epochs"], named["data.load.passes"]) == ("34", "9")
    assert "data.load.passes" not in make_plan(compose([*DIGITS, "tracking=none"])).chosen


def test_epochs_that_are_given_are_single_passes() -> None:
    words = (*DIGITS, "split.labelled=40", "trainer.epochs=6", "tracking=none")
    assert make_plan(compose(words)).cfg.data.load.passes == 1


def test_epochs_that_are_given_stay() -> None:
    assert planned(*DIABETES, "trainer.epochs=20") == (20, None)
    assert planned(*DIABETES, "trainer.epochs=null", "trainer.steps=7") == (None, None)
    assert planned(*DIGITS, "trainer=semi_supervised", "split.labelled=100")[1] is None


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("data.load.batch_size=0", "data.load.batch_size must be auto, or 1 or more, got 0"),
        ("trainer.update.accumulate=-5000", "trainer.update.accumulate must be 1 or more batches, got -5000"),
    ],
)
def test_steps_without_rows_are_refused_by_the_part_that_has_the_setting(word: str, sentence: str) -> None:
    plan = make_plan(compose([*DIABETES, word, "tracking=none"]))
    with pytest.raises(UserError, match=sentence):
        prepare(plan, plan.folds[0])
