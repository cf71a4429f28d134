"""Settings, choices, objectives and returned values of a sweep over another program."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from harness.core.errors import UserError
from harness.sweep.program.optuna_keys import OPTUNA_KEYS, refuse_optuna_keys
from harness.sweep.program.program_choices import (
    NONE,
    SETTINGS_OF_RUNS,
    content,
    default_settings,
    inside,
    offered,
)
from harness.sweep.program.program_command import ProgramCommand
from harness.sweep.program.program_settings import program_objectives, program_settings, sweep_node
from harness.sweep.program.returned_scores import returned_scores
from harness.sweep.study.snapshot import Objective

LOSS, ACCURACY = Objective("loss", "minimize"), Objective("accuracy", "maximize")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, [("objective", "minimize")]),
        ("maximize", [("objective", "maximize")]),
        (["minimize", "maximize"], [("objective_1", "minimize"), ("objective_2", "maximize")]),
        ({"loss": "minimize", "accuracy": "maximize"}, [("loss", "minimize"), ("accuracy", "maximize")]),
    ],
)
def test_an_objective_says_which_direction_is_better(given: Any, expected: list[tuple[str, str]]) -> None:
    assert [(each.name, each.direction) for each in program_objectives(given)] == expected


@pytest.mark.parametrize("given", ["accuracy", ["accuracy"], [], {}, {"loss": "down"}])
def test_an_objective_without_a_direction_is_refused(given: Any) -> None:
    with pytest.raises(UserError, match="maximi"):
        program_objectives(given)


def test_numbers_tuples_and_dicts_are_scores() -> None:
    assert returned_scores(np.float32(0.5), [LOSS]) == {"loss": 0.5}
    assert returned_scores((1, 0.5), [LOSS, ACCURACY]) == {"loss": 1.0, "accuracy": 0.5}
    scores = returned_scores({"accuracy": 0.5, "size": 3, "note": "7", "curve": [1, 2]}, [ACCURACY])
    assert scores == {"accuracy": 0.5, "size": 3.0}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "returned nothing"),
        ("0.5", "must return a number"),
        ([0.5, "x"], "must return a number"),
        ((0.5, 0.5), "2 numbers, and sweep.objectives names 1"),
        ({"acc": 0.5}, "returned acc, and no loss"),
    ],
)
def test_any_other_value_is_refused(value: Any, words: str) -> None:
    with pytest.raises(UserError, match=words):
        returned_scores(value, [LOSS])


def test_another_program_finds_the_sweeps_that_fit_it_and_nothing_else() -> None:
    assert inside("") == (["hydra", "sweep"], [])
    groups, choices = inside("sweep")
    assert groups == ["pruner", "sampler"]
    assert {"asha", "grid", "nsga2", "tpe"} <= set(choices)
    assert "wilcoxon" not in choices
    assert inside("hydra") == (["launcher"], [])
    assert inside("hydra/launcher") == ([], ["local"])
    assert offered("model/mlp") is None
    assert offered("sweep/../model/mlp") is None
    assert offered("config") is None


def test_a_choice_has_all_settings_and_stands_anywhere() -> None:
    node, _ = content("sweep/asha")
    assert node.defaults == [{"sampler": "tpe"}, {"pruner": "asha"}, "_self_"]
    assert set(default_settings()) == set(node) - {"defaults"}
    assert {"trials", "workers", "objectives"} <= set(node)
    assert {name: node[name] for name in SETTINGS_OF_RUNS} == SETTINGS_OF_RUNS
    sampler, _ = content("sweep/sampler/tpe")
    below = OmegaConf.create({"hydra": {"sweeper": {"sweep": {"seed": 7, "sampler": sampler}}}})
    assert below.hydra.sweeper.sweep.sampler.seed == 7
    assert content("sweep/pruner/none")[0] == NONE


def test_without_a_choice_a_sweep_is_a_grid() -> None:
    node = sweep_node(OmegaConf.create({"hydra": {"sweeper": {"sweep": None}}}))
    settings = program_settings(node)
    assert (node.sampler, node.pruner, settings.trials, settings.workers) == (None, None, None, 1)
    assert (settings.repeat, settings.keep, settings.test) == (1, "all", "none")


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [("from", "last", r"sweep\.enqueue=\["), ("repeat", 3, "seed"), ("test", "all", "leave")],
)
def test_a_setting_that_needs_runs_of_harness_is_answered(name: str, value: Any, remedy: str) -> None:
    node = sweep_node(OmegaConf.create({"hydra": {"sweeper": {"sweep": None}}}))
    with pytest.raises(UserError, match=rf"^sweep\.{name} needs trials that are runs of harness.*{remedy}"):
        program_settings(OmegaConf.create({**node, name: value}))


def test_a_setting_of_the_program_with_the_name_is_no_sweep() -> None:
    config = OmegaConf.create({"sweep": {"low": 1}, "hydra": {"sweeper": {"sweep": None}}})
    with pytest.raises(UserError, match=r"\+sweep@hydra.sweeper.sweep=asha"):
        sweep_node(config)


@pytest.mark.parametrize("name", OPTUNA_KEYS)
def test_a_key_of_the_optuna_sweeper_is_answered(name: str) -> None:
    config = OmegaConf.create({"hydra": {"sweeper": {"_target_": "x", "sweep": None, name: 3}}})
    with pytest.raises(UserError, match=f"hydra.sweeper.{name} is a setting of another sweeper; "):
        refuse_optuna_keys(config)


def test_all_keys_of_another_sweeper_are_answered_at_once_with_what_removes_them() -> None:
    set_there = {
        "params": {"x": "interval(0,1)"},
        "n_trials": 20,
        "storage": None,
        "ax_config": {"early_stop": 1},
    }
    config = OmegaConf.create({"hydra": {"sweeper": {"_target_": "x", "sweep": None, **set_there}}})
    with pytest.raises(UserError) as refused:
        refuse_optuna_keys(config)
    keys = [f"hydra.sweeper.{name}" for name in ("params", "n_trials", "ax_config")]
    assert str(refused.value) == (
        f"{keys[0]}, {keys[1]} and {keys[2]} are settings of another sweeper; "
        f"remove what a file sets with ~{keys[0]} ~{keys[1]} ~{keys[2]}, "
        "and use KEY='interval(0,1)' (in a file sweep.space.KEY); sweep.trials=N."
    )
    assert refused.value.key == "hydra.sweeper.params"


def test_the_keys_of_the_optuna_sweeper_can_be_typed() -> None:
    """Else Hydra would say that they do not exist."""
    from hydra_plugins import harness_sweeper

    assert set(harness_sweeper._OF_OTHER_SWEEPERS) == set(OPTUNA_KEYS)


def test_a_command_is_that_of_the_program() -> None:
    command = ProgramCommand(("python", "train.py"), ("hydra/sweeper=harness", "hydra.job.chdir=true"))
    assert command.single(["lr=0.1"]) == "python train.py hydra.job.chdir=true lr=0.1"
    assert command.sweep(["lr=1,2"]) == (
        "python train.py -m hydra/sweeper=harness hydra.job.chdir=true lr=1,2"
    )
