from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.compose import compose, compose_exactly
from harness.core.errors import UserError
from harness.prepare.experiment import prepare
from harness.prepare.plan import make_plan
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.sweep_settings import SweepSettings, read_settings
from harness.sweep.worker.trial_agreement import PreparedTrial, first_rung, shared_traits

ALWAYS = ("train/loss", "model/parameters", "time/epoch_seconds", "time/training_seconds")
CLASSES = PreparedTrial(
    monitor="valid/accuracy",
    epochs=20,
    folds=1,
    epoch_scores=("valid/loss", "valid/accuracy", "train/loss"),
    run_scores=("valid/loss", "valid/accuracy", *ALWAYS),
)
PAIRS = PreparedTrial(
    monitor="valid/knn_accuracy",
    epochs=60,
    folds=5,
    epoch_scores=("valid/knn_accuracy", "train/loss"),
    run_scores=("valid/knn_accuracy", "valid/linear_accuracy", *ALWAYS),
)
TRAINERS = ["trainer=supervised", "trainer=contrastive"]


@pytest.fixture(scope="module")
def defaults() -> SweepSettings:
    return read_settings(OmegaConf.create(OmegaConf.to_container(compose_exactly([]).sweep)))


def test_the_monitor_is_improved_unless_something_else_is_named(defaults: SweepSettings) -> None:
    agreed = shared_traits(defaults, ["seed=1"], [CLASSES])
    assert agreed.objectives == (Objective("valid/accuracy", "maximize"),)
    assert (agreed.epochs, agreed.folds, agreed.names) == (20, 1, CLASSES.epoch_scores)
    named = replace(defaults, objectives={"valid/loss": "minimize", "model/parameters": "minimize"})
    assert shared_traits(named, ["seed=1"], [CLASSES]).objectives == (
        Objective("valid/loss", "minimize"),
        Objective("model/parameters", "minimize"),
    )


def test_trials_have_the_most_epochs_and_folds_and_the_names_of_all(defaults: SweepSettings) -> None:
    agreed = shared_traits(replace(defaults, objectives="train/loss"), TRAINERS, [CLASSES, PAIRS])
    assert (agreed.epochs, agreed.folds, agreed.names) == (60, 5, ("train/loss",))


@pytest.mark.parametrize(
    ("scheduler", "steps", "rung"),
    [
        ({"warmup": 0.1}, 2000, 2),  # a tenth of 20 epochs; a hundred steps are one epoch
        ({"pct_start": 0.3}, 2000, 6),
        ({"warmup": 0.1}, 140, 5),  # seven steps an epoch: 30 of them
        ({}, 10_000, 1),
        (None, 400, 3),  # a ninth of the training
    ],
)
def test_trials_are_compared_after_their_warm_up_and_a_hundred_steps_or_a_ninth_of_them(
    scheduler: Any, steps: int, rung: int
) -> None:
    assert first_rung({"scheduler": scheduler}, 20, steps) == rung


def test_a_pruner_compares_the_log_loss_where_the_objective_is_a_share_of_few_rows(
    defaults: SweepSettings,
) -> None:
    scores = ("valid/accuracy", "valid/log_loss", "train/loss")
    few = replace(CLASSES, epoch_scores=scores, run_scores=(*scores, *ALWAYS), rows=999, rung=4)
    log_loss = Objective("valid/log_loss", "minimize")
    agreed = shared_traits(defaults, ["a", "b"], [few, replace(few, rows=5000, rung=7)])
    assert (agreed.compared, agreed.rung) == (log_loss, 7)
    assert shared_traits(defaults, ["a"], [replace(few, rows=1000)]).compared is None
    assert shared_traits(defaults, ["a"], [CLASSES]).compared is None  # it has no log-loss
    own = replace(defaults, prune_by="train/loss")
    assert shared_traits(own, ["a"], [few]).compared == Objective("train/loss", "minimize")
    assert shared_traits(replace(defaults, prune_by="valid/accuracy"), ["a"], [few]).compared is None
    with pytest.raises(UserError) as caught:
        shared_traits(replace(defaults, prune_by="valid/acuracy"), ["a"], [few])
    assert caught.value.key == "sweep.prune_by"
    assert "valid/accuracy" in str(caught.value)


def test_with_a_training_limited_by_minutes_the_epochs_are_unknown(defaults: SweepSettings) -> None:
    assert shared_traits(defaults, ["a", "b"], [CLASSES, replace(CLASSES, epochs=None)]).epochs is None


def test_two_monitors_cannot_be_compared(defaults: SweepSettings) -> None:
    with pytest.raises(UserError) as caught:
        shared_traits(defaults, TRAINERS, [CLASSES, PAIRS])
    assert str(caught.value) == (
        "trials are compared by one score, and trainer.monitor is valid/accuracy with trainer=supervised, "
        "but valid/knn_accuracy with trainer=contrastive; they share no score of validation rows: "
        "sweep them apart."
    )
    lossy = replace(CLASSES, monitor="valid/loss")
    with pytest.raises(UserError, match=r"; name one that all give: .*=valid/loss or valid/accuracy\.$"):
        shared_traits(defaults, TRAINERS, [CLASSES, lossy])


def test_a_score_that_no_trial_gives_is_refused_with_near_names(defaults: SweepSettings) -> None:
    with pytest.raises(UserError) as caught:
        shared_traits(replace(defaults, objectives="valid/acuracy"), TRAINERS[:1], [CLASSES])
    assert str(caught.value) == (
        "sweep.objectives names valid/acuracy, which no trial gives; did you mean valid/accuracy?"
    )


def test_a_score_that_some_trials_lack_is_refused_with_their_overrides(defaults: SweepSettings) -> None:
    with pytest.raises(UserError) as caught:
        shared_traits(replace(defaults, objectives="valid/linear_accuracy"), TRAINERS, [CLASSES, PAIRS])
    assert str(caught.value) == (
        "sweep.objectives names valid/linear_accuracy, which a trial with trainer=supervised does not give; "
        "did you mean valid/accuracy?"
    )
    limited: Any = replace(defaults, objectives="train/loss", constraints=["valid/accuracy >= 0.9"])
    with pytest.raises(UserError, match=r"^sweep\.constraints names valid/accuracy, which a trial with tr"):
        shared_traits(limited, TRAINERS, [CLASSES, PAIRS])


def test_without_validation_rows_there_is_nothing_to_improve(defaults: SweepSettings) -> None:
    blind = replace(CLASSES, epoch_scores=("train/loss",), run_scores=ALWAYS)
    with pytest.raises(UserError) as caught:
        shared_traits(defaults, ["seed=1"], [blind])
    assert str(caught.value) == (
        "sweep.objectives names valid/accuracy, which no trial gives: its split has no validation rows; "
        "use split.valid=0.15."
    )


def test_test_scores_are_no_objectives(defaults: SweepSettings) -> None:
    for given in ({"objectives": "test/accuracy"}, {"constraints": ["test/loss < 1"]}):
        settings: Any = replace(defaults, **given)  # type: ignore[arg-type]
        with pytest.raises(UserError, match=r" must leave the test part alone, so that no choice rests "):
            shared_traits(settings, ["seed=1"], [CLASSES])


RATES = PreparedTrial(
    monitor="valid/rmse",
    epochs=60,
    folds=1,
    epoch_scores=("valid/loss", "valid/rmse", "train/loss"),
    run_scores=("valid/loss", "valid/rmse", *ALWAYS),
    optimistic=True,
)


def test_an_error_of_few_rows_that_chooses_the_epoch_is_compared_without_the_luck_of_one_epoch(
    defaults: SweepSettings,
) -> None:
    steady, plain = Objective("valid/rmse_steady", "minimize"), Objective("valid/rmse", "minimize")
    agreed = shared_traits(defaults, ["a", "b"], [RATES, RATES])
    assert (agreed.objectives, agreed.compared, agreed.steady) == ((steady,), plain, True)
    assert shared_traits(defaults, ["a", "b"], [RATES, replace(RATES, optimistic=False)]).objectives == (
        plain,
    )
    named = shared_traits(replace(defaults, objectives="valid/rmse"), ["a"], [RATES])
    assert (named.objectives, named.compared, named.steady) == ((plain,), None, False)


def test_any_score_of_the_epochs_may_be_compared_so(defaults: SweepSettings) -> None:
    named = replace(defaults, objectives="valid/loss_steady")
    agreed = shared_traits(named, ["a"], [CLASSES])
    assert agreed.objectives == (Objective("valid/loss_steady", "minimize"),)
    assert agreed.compared == Objective("valid/loss", "minimize")
    for wrong in ({"objectives": "valid/r2_steady"}, {"constraints": ["valid/loss_steady <= 1"]}):
        with pytest.raises(UserError, match="_steady, which"):
            shared_traits(replace(defaults, **wrong), ["a"], [CLASSES])


@pytest.mark.parametrize(
    ("words", "optimistic"),
    [
        ([], True),
        (["trainer.best_by=valid/mae"], False),
        (["data/extract=iris"], False),
        (["split.valid=0", "trainer.patience=null"], False),
    ],
)
def test_a_number_to_predict_is_compared_so_where_the_score_chooses_the_epoch(
    words: list[str], optimistic: bool
) -> None:
    cfg = compose(["data/extract=diabetes", "trainer.device=cpu", "model=mlp", *words])
    plan = make_plan(cfg)
    assert PreparedTrial.of(prepare(plan, plan.folds[0]), plan).optimistic == optimistic
