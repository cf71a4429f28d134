from __future__ import annotations

import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
import optuna
import pytest
from omegaconf import DictConfig, OmegaConf
from optuna.pruners import HyperbandPruner, NopPruner, WilcoxonPruner

from harness.config.choice_files import CONF
from harness.config.instantiate import check_nodes
from harness.core.errors import Pruned, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.sweep.median import Median
from harness.sweep.patient import Patient
from harness.sweep.study.objectives import read_objectives
from harness.sweep.study.pruning import StepAxis, build_pruner, check_prunable
from harness.sweep.study.successive_halving import SuccessiveHalving
from harness.sweep.worker.pruning_steps import PruningSteps

NAME = "valid/accuracy"
ROWS = np.arange(3)


def node(name: str, **settings: Any) -> DictConfig:
    found = OmegaConf.load(CONF / "sweep" / "pruner" / f"{name}.yaml")
    assert isinstance(found, DictConfig)
    merged = OmegaConf.merge(found, settings)
    assert isinstance(merged, DictConfig)
    return merged


def refusal(given: Any, epochs: int | None, units: int, axis: StepAxis = "epochs") -> str:
    with pytest.raises(UserError) as caught:
        build_pruner(given, epochs, units, axis)
    return str(caught.value)


def follow(
    study: optuna.Study, curve: Sequence[float], folds: Sequence[float] = (), kind: StepAxis = "epochs"
) -> int:
    """Takes a trial along the axis: `curve` in its first fold, then further folds. Its last step."""
    trial = study.ask()

    def report(step: int, value: float) -> bool:
        trial.report(value, step)
        return trial.should_prune()

    axis = PruningSteps(
        read_objectives(NAME, NAME),
        axis=kind,
        units=(1 + len(folds), 1),
        report=report,
        on_epoch=lambda *told: None,
    )
    fold = Fold(0, ROWS[:1], ROWS[1:2], ROWS[2:])
    try:
        for epoch, value in enumerate(curve, start=1):
            best = value >= max(curve[:epoch])
            axis(fold, Progress(epoch, len(curve), epoch, {NAME: value}, best, dict))
        for value in (max(curve), *folds):
            axis.fold_done(fold, {NAME: value})
    except Pruned:
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    else:
        study.tell(trial, float(np.mean([max(curve), *folds])))
    return max(study.trials[trial.number].intermediate_values)


def studied(
    given: DictConfig, epochs: int, units: int = 1, axis: StepAxis = "epochs", name: str = "s"
) -> optuna.Study:
    pruner = build_pruner(given, epochs, units, axis)
    return optuna.create_study(study_name=name, direction="maximize", pruner=pruner)


def test_asha_continues_the_best_third_at_epochs_1_and_3() -> None:
    study = studied(node("asha"), 9)
    values = [0.5, 0.6, 0.4, 0.9, 0.8, 0.7, 0.3, 0.85, 0.1]
    # Before there are three, none goes on yet. Then the best of 3, 4 and 5, and of 6 and more the two best;
    # at epoch 3 as well.
    assert [follow(study, [value] * 9) for value in values] == [1, 1, 1, 3, 1, 1, 1, 3, 1]


def test_the_first_rung_is_past_the_warm_up_and_leaves_two_thirds_of_the_training_to_save() -> None:
    def first(rung: int, epochs: int | None = 20, axis: StepAxis = "epochs", **settings: Any) -> object:
        units = 5 if axis == "folds" else 1
        return vars(build_pruner(node("asha", **settings), epochs, units, axis, rung))["_min_resource"]

    assert [first(1), first(5), first(50), first(50, epochs=2)] == [1, 5, 6, 1]
    assert first(5, min_resource=2) == 2
    assert first(5, axis="folds") == 1
    assert first(7, epochs=None) == 7


def test_trials_that_tie_at_a_rung_go_on_together() -> None:
    study = studied(node("asha"), 9)
    assert [follow(study, [0.6] * 9) for _ in range(6)] == [1, 1, 3, 3, 9, 9]
    assert follow(study, [0.5] * 9) == 1


def test_asha_stops_who_shone_early_and_was_overtaken() -> None:
    study = studied(node("asha"), 9)
    late, early = [0.5, 0.6, 0.95] + [0.95] * 6, [0.8] * 9
    curves = [[0.1] * 9] * 2 + [late] * 3 + [early]
    assert [follow(study, curve) for curve in curves] == [1, 1, 3, 3, 9, 3]


def test_a_bad_trial_costs_an_epoch_and_a_mediocre_one_some_folds() -> None:
    study = studied(node("asha", min_resource=2), 2, units=5)
    assert study.pruner._min_resource == 2  # type: ignore[attr-defined]
    good, bad = [0.9, 0.9], [0.1, 0.2]
    assert [follow(study, bad, [0.9] * 4) for _ in range(3)] == [2, 2, 6]  # the last of three that tie
    # Rungs at the steps 2 and 6, of which the last one stops nothing.
    assert follow(study, [0.95, 0.95], [0.1] * 4) == 6
    assert follow(study, bad, [0.9] * 4) == 2
    median = studied(node("median", n_startup_trials=1, n_min_trials=1), 2, units=5)
    assert follow(median, good, [0.9] * 4) == 6
    # A lucky first fold, then means of 0.525 and less against 0.9.
    assert follow(median, [0.95, 0.95], [0.1] * 4) == 3


@pytest.mark.parametrize("name", ["a", "sweep-3"])
def test_hyperband_stops_at_the_first_rung_of_the_trials_bracket(name: str) -> None:
    study = studied(node("hyperband"), 9, name=name)
    seen: set[int] = set()
    for number in range(30):
        # Ceil(3 * 3^s / (s + 1)) for s = 2, 1, 0: the share of each bracket.
        share = binascii.crc32(f"{name}_{number}".encode()) % (9 + 5 + 3)
        bracket = 0 if share < 9 else 1 if share < 14 else 2
        # Each trial is worse than all before it: only the first of a bracket goes on.
        assert follow(study, [1 - number / 100] * 9) == (3**bracket if bracket in seen else 9)
        seen.add(bracket)
    assert seen == {0, 1, 2}


def test_hyperbands_brackets_span_the_whole_axis_and_are_known_before_the_first_report() -> None:
    pruner = build_pruner(node("hyperband"), 20, 8)
    assert isinstance(pruner, HyperbandPruner)
    assert (pruner._max_resource, pruner._n_brackets) == (27, 4)
    named = optuna.create_study(study_name="s")
    brackets = [pruner._get_bracket_id(named, trial) for trial in (named.ask(), named.ask())]
    numbers = [binascii.crc32(f"s_{number}".encode()) % (27 + 12 + 6 + 4) for number in (0, 1)]
    assert brackets == [0 if n < 27 else 1 if n < 39 else 2 if n < 45 else 3 for n in numbers]
    untold = build_pruner(node("hyperband"), None, 1)
    assert isinstance(untold, HyperbandPruner)
    assert untold._max_resource == "auto"


def test_the_median_stops_what_is_below_half_of_the_finished_trials() -> None:
    study = studied(node("median"), 4)
    values = [0.5, 0.6, 0.7, 0.8, 0.9]
    assert [follow(study, [value] * 4) for value in values] == [4] * 5
    assert follow(study, [0.69] * 4) == 1
    assert follow(study, [0.71] * 4) == 4
    assert follow(study, [0.75, 0.75, 0.75, 0.95]) == 4


def test_the_patient_median_waits_for_three_epochs_without_a_better_score() -> None:
    study = studied(node("patient"), 8)
    for value in (0.5, 0.6, 0.7, 0.8, 0.9):
        assert follow(study, [value] * 8) == 8
    assert follow(study, [0.1] * 8) == 4
    assert follow(study, [0.1, 0.1, 0.2, 0.2, 0.2, 0.2, 0.3, 0.3]) == 6
    assert follow(study, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]) == 8
    assert follow(study, [0.8] * 8) == 8


def test_wilcoxon_stops_after_the_fold_at_which_a_difference_is_no_chance() -> None:
    study = studied(node("wilcoxon"), 1, 6, "folds")
    best = [0.80, 0.60, 0.90, 0.70, 0.75, 0.85]
    assert follow(study, best[:1], best[1:], "folds") == 5
    # Worse in each fold: 2^-4 = 0.06 is below 0.1 after four of them, at step 3.
    worse = [value - 0.01 * number for number, value in enumerate(best, start=1)]
    assert follow(study, worse[:1], worse[1:], "folds") == 3
    mixed = [value + (0.03 if number % 2 else -0.02) for number, value in enumerate(best)]
    assert follow(study, mixed[:1], mixed[1:], "folds") == 5


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("asha", SuccessiveHalving),
        ("hyperband", HyperbandPruner),
        ("median", Median),
        ("patient", Patient),
    ],
)
def test_each_choice_builds_the_class_of_its_name(name: str, made: type) -> None:
    check_nodes(OmegaConf.to_container(node(name)), "sweep.pruner")
    assert type(build_pruner(node(name), 20, 1)) is made
    assert type(build_pruner(node(name), None, 1)) is made


def test_wilcoxon_and_a_users_pruner_are_built_as_they_stand() -> None:
    check_nodes(OmegaConf.to_container(node("wilcoxon")), "sweep.pruner")
    assert type(build_pruner(node("wilcoxon"), 20, 10, "folds")) is WilcoxonPruner
    assert type(build_pruner({"_target_": "optuna.pruners.NopPruner"}, 20, 1)) is NopPruner
    assert build_pruner(None, 20, 1) is None


def test_a_first_rung_at_or_after_the_last_step_is_refused() -> None:
    assert refusal(node("asha", min_resource=20), 20, 1) == (
        "sweep.pruner.min_resource must leave a step before the last one of a trial, which is 20 "
        "(20 epochs), got 20; lower it, or use sweep/pruner=none."
    )
    assert build_pruner(node("asha", min_resource=20), 20, 2) is not None
    assert refusal(node("hyperband", min_resource=30), 20, 5).startswith(
        "sweep.pruner.min_resource must leave a step before the last one of a trial, which is 24 (20 epochs "
        "and 4 more folds), got 30;"
    )
    assert refusal(node("asha", min_early_stopping_rate=3), 20, 1).startswith(
        "sweep.pruner.min_early_stopping_rate must leave a step before the last one"
    )
    assert refusal(node("median", n_warmup_steps=7), 7, 1).startswith(
        "sweep.pruner.n_warmup_steps must leave"
    )
    assert refusal(node("patient", patience=4), 5, 1).startswith("sweep.pruner.patience must leave")
    wrapped = {"wrapped_pruner": {"n_warmup_steps": 9}}
    assert refusal(node("patient", **wrapped), 9, 1).startswith(
        "sweep.pruner.wrapped_pruner.n_warmup_steps must"
    )
    assert refusal(node("wilcoxon", n_startup_steps=7), 1, 7, "folds") == (
        "sweep.pruner.n_startup_steps must leave a step before the last one of a trial, which is 6 (7 folds, "
        "counted from 0), got 7; lower it, or use sweep/pruner=none."
    )


def test_where_a_trial_is_one_epoch_there_is_nothing_to_stop_and_nothing_to_refuse() -> None:
    assert build_pruner(node("asha"), 1, 1) is not None
    study = studied(node("hyperband", min_resource=2), 1)
    assert [follow(study, [0.5]), follow(study, [0.4])] == [1, 1]


def test_values_out_of_range_are_refused_by_their_key() -> None:
    least = "sweep.pruner.min_resource must be auto or at least 1, got"
    assert refusal(node("asha", min_resource=0), 20, 1) == f"{least} 0."
    assert refusal(node("asha", min_resource="some"), 20, 1) == f"{least} some."
    assert refusal(node("hyperband", min_resource=0), 20, 1) == (
        "sweep.pruner.min_resource must be at least 1, got 0."
    )
    assert refusal(node("hyperband", reduction_factor=1), 20, 1) == (
        "sweep.pruner.reduction_factor must be at least 2, got 1."
    )
    assert refusal(node("hyperband", max_resource=100), 20, 1) == (
        "sweep.pruner.max_resource must be at most 20, the last step of a trial (20 epochs), got 100; auto "
        "is that step."
    )
    assert refusal(node("hyperband", min_resource=5, max_resource=3), 20, 1) == (
        "sweep.pruner.max_resource must be auto or at least min_resource, which is 5, got 3."
    )
    assert refusal(node("hyperband", max_resource="all"), 20, 1) == (
        "sweep.pruner.max_resource must be auto or at least min_resource, which is 1, got all."
    )
    assert "bootstrap_count" in refusal(node("hyperband", bootstrap_count=-1), 20, 1)
    assert (
        refusal(node("patient", min_delta=-1.0), 20, 1)
        == "sweep.pruner.min_delta must be at least 0, got -1.0."
    )


def test_the_axis_of_folds_needs_several() -> None:
    assert refusal(node("wilcoxon"), 20, 1, "folds") == (
        "sweep.axis=folds compares trials from fold to fold, and there is one fold; choose a split of "
        "several folds, sweep.repeat=5, or sweep.axis=epochs."
    )


def test_wilcoxons_test_compares_folds_and_needs_enough_of_them() -> None:
    assert refusal(node("wilcoxon"), 20, 5) == (
        "sweep.pruner: Wilcoxon's test compares two trials fold by fold, and sweep.axis is epochs; set "
        "sweep.axis=folds, as sweep=wilcoxon does."
    )
    assert refusal(node("wilcoxon"), 20, 4, "folds") == (
        "sweep.pruner.p_threshold must be above 0.125, the least that 3 folds can show (the last one stops "
        "nothing any more), got 0.1; take more folds or a higher sweep.repeat."
    )
    assert build_pruner(node("wilcoxon"), 20, 5, "folds") is not None


def test_optunas_patience_is_refused_where_it_would_wait_for_ever() -> None:
    given = {"_target_": "optuna.pruners.PatientPruner", "wrapped_pruner": None, "patience": 2}
    assert refusal(given, 20, 1) == (
        "sweep.pruner: Optuna's PatientPruner waits for worse scores, and a trial reports its best so far; "
        "use sweep/pruner=patient."
    )


def test_what_is_no_pruner_is_refused() -> None:
    assert refusal({"_target_": "fractions.Fraction"}, 20, 1) == (
        "sweep.pruner must be a pruner of Optuna's kind, got fractions.Fraction; choose one by "
        "sweep/pruner=, or derive yours from optuna.pruners.BasePruner."
    )


def test_several_objectives_cannot_be_pruned() -> None:
    with pytest.raises(UserError) as caught:
        check_prunable(read_objectives([NAME, "model/parameters"], NAME), [NAME])
    assert str(caught.value) == (
        "a pruner compares one number along a training, and sweep.objectives has 2 (valid/accuracy, "
        "model/parameters); use sweep/pruner=none, or one objective."
    )


def test_an_objective_without_a_score_per_epoch_cannot_be_pruned_by_epochs() -> None:
    with pytest.raises(UserError) as caught:
        check_prunable(read_objectives("valid/acuracy", NAME), [NAME])
    assert str(caught.value) == (
        "sweep.objectives=valid/acuracy is known only at the end of a fold, and the pruner's steps are "
        "epochs; use sweep/pruner=none, or a score of every epoch: did you mean valid/accuracy?"
    )
    check_prunable(read_objectives("valid/auroc", NAME), [NAME], "folds")
    check_prunable(read_objectives("train/loss", NAME), [NAME])
    check_prunable(read_objectives(None, NAME), [NAME])
