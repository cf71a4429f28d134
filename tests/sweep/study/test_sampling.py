from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from omegaconf import DictConfig, OmegaConf
from optuna.distributions import FloatDistribution
from optuna.samplers import CmaEsSampler, QMCSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import Trial, TrialState

from harness.config.choice_files import CONF
from harness.config.instantiate import check_nodes
from harness.core.errors import UserError
from harness.sweep.study.objectives import read_objectives
from harness.sweep.study.sampling import build_sampler, check_sampling

SAMPLERS = ("random", "tpe", "gp", "cmaes", "qmc", "nsga2")


def node(name: str, **settings: Any) -> DictConfig:
    found = OmegaConf.load(CONF / "sweep" / "sampler" / f"{name}.yaml")
    assert isinstance(found, DictConfig)
    return OmegaConf.merge(
        OmegaConf.create({"sweep": {"seed": 3, "sampler": found}}), {"sweep": {"sampler": settings}}
    ).sweep.sampler


def point(trial: Trial) -> dict[str, Any]:
    return {
        "lr": trial.suggest_float("lr", 1e-4, 1e-1, log=True),
        "layers": trial.suggest_int("layers", 1, 8),
        "model": trial.suggest_categorical("model", ["mlp", "convnet"]),
    }


def score(values: dict[str, Any]) -> float:
    return float(-((np.log10(values["lr"]) + 2.5) ** 2) - (values["layers"] - 3) ** 2 / 9)


def walk(study: optuna.Study, sampler: DictConfig | None, trials: int, seed: int = 3) -> list[dict[str, Any]]:
    """The points of so many trials, each drawn by a sampler of its own."""
    points = []
    for _ in range(trials):
        study.sampler = build_sampler(sampler, seed, len(study.trials))
        trial = study.ask()
        points.append(point(trial))
        study.tell(trial, score(points[-1]))
    return points


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_choice_is_built_without_a_warning_and_works_with_a_new_object_per_trial(name: str) -> None:
    plain = OmegaConf.to_container(node(name), resolve=True)
    check_nodes(plain, "sweep.sampler")
    study = optuna.create_study(direction="maximize")
    points = walk(study, node(name), 14)
    assert [trial.state for trial in study.trials] == [TrialState.COMPLETE] * 14
    assert len({tuple(values.values()) for values in points}) == 14


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_sweep_that_continues_in_another_process_draws_the_same_points(name: str, tmp_path: Path) -> None:
    def study(file: str) -> optuna.Study:
        # A storage of its own, as a new process has: nothing is known but what the file holds.
        storage = JournalStorage(JournalFileBackend(str(tmp_path / file)))
        return optuna.create_study(study_name="s", storage=storage, direction="maximize", load_if_exists=True)

    whole = walk(study("whole"), node(name), 13)
    parts = walk(study("parts"), node(name), 6) + walk(study("parts"), node(name), 7)
    assert parts == whole


def test_a_random_point_belongs_to_its_number_whoever_draws_it() -> None:
    points: list[dict[int, dict[str, Any]]] = []
    for order in ([0, 1, 2, 3], [3, 1, 0, 2]):
        study = optuna.create_study()
        trials = {number: study.ask() for number in range(4)}
        drawn = {}
        for number in order:
            study.sampler = build_sampler(node("random"), 3, number)
            drawn[number] = point(Trial(study, trials[number]._trial_id))
        points.append(drawn)
    assert points[0] == points[1]
    assert len({values["lr"] for values in points[0].values()}) == 4


def test_the_seed_of_the_sweep_decides_and_that_of_the_sampler_comes_before_it() -> None:
    def lr(sweeps: int, own: int | None) -> float:
        sampler = build_sampler(node("random", seed=own), sweeps, 5)
        return optuna.create_study(sampler=sampler).ask().suggest_float("lr", 0, 1)

    assert lr(1, None) == lr(1, None)
    assert lr(1, None) != lr(2, None)
    assert lr(1, 7) == lr(2, 7)


def test_a_grid_leaves_what_is_not_given_to_chance() -> None:
    sampler = build_sampler(None, 3, 0)
    assert isinstance(sampler, RandomSampler)
    space = FloatDistribution(0, 1)
    study = optuna.create_study()
    drawn = [build_sampler(None, 3, 0).sample_independent(study, None, "x", space) for _ in range(2)]  # type: ignore[arg-type]
    assert drawn[0] == drawn[1]


def test_sobol_points_of_fresh_samplers_are_one_sequence() -> None:
    from scipy.stats import qmc

    study = optuna.create_study()
    drawn = []
    for number in range(9):
        study.sampler = build_sampler(node("qmc"), 3, number)
        trial = study.ask()
        drawn.append([trial.suggest_float("x", 0, 1), trial.suggest_float("y", 0, 1)])
        study.tell(trial, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Sobol's balance wants powers of two
        expected = qmc.Sobol(2, seed=3, scramble=True).random(8)
    assert np.allclose(drawn[1:], expected)


def test_what_sobols_sequence_does_not_cover_differs_between_trials() -> None:
    study = optuna.create_study()
    extra = []
    for number in range(5):
        study.sampler = build_sampler(node("qmc"), 3, number)
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        if number:
            extra.append(trial.suggest_float("only_of_some", 0, 1))
        study.tell(trial, 0.0)
    assert len(set(extra)) == 4


def test_cma_es_and_nsga2_find_their_generations_in_the_study() -> None:
    study = optuna.create_study(direction="maximize")
    walk(study, node("cmaes"), 30)
    generations = [trial.system_attrs.get("cma:generation", -1) for trial in study.trials]
    assert max(generations) >= 3
    study = optuna.create_study(direction="maximize")
    walk(study, node("nsga2", population_size=5), 20)
    assert {trial.system_attrs["NSGAIISampler:generation"] for trial in study.trials} == {0, 1, 2, 3}


def test_samplers_that_learn_come_closer_than_chance() -> None:
    def best(name: str) -> float:
        study = optuna.create_study(direction="maximize")
        walk(study, node(name), 40)
        return float(np.mean([trial.value for trial in study.trials[-15:]]))

    chance = best("random")
    assert all(best(name) > chance / 2 for name in ("tpe", "cmaes"))


OWN = """
from optuna.samplers import BaseSampler

class Fair(BaseSampler):
    def __init__(self, inner: BaseSampler) -> None:
        self.inner = inner

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self.inner.sample_independent(study, trial, param_name, param_distribution)
"""


def test_a_users_sampler_fits_and_the_one_within_it_has_the_trials_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_sampler.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    inner = {"_target_": "optuna.samplers.RandomSampler"}

    def first(described: Any, number: int) -> float:
        study = optuna.create_study(sampler=build_sampler(described, 3, number))
        return study.ask().suggest_float("x", 0, 1)

    drawn = [first({"_target_": "own_sampler.Fair", "inner": inner}, number) for number in range(3)]
    assert drawn == [first(inner, number) for number in range(3)]
    assert len(set(drawn)) == 3


def test_what_is_no_sampler_is_refused() -> None:
    with pytest.raises(
        UserError, match=r"^sweep\.sampler must be a sampler of Optuna's kind, got fractions\.Fraction;"
    ):
        build_sampler({"_target_": "fractions.Fraction"}, 0, 0)
    with pytest.raises(
        UserError, match=r"^sweep\.sampler\.seed must be between 0 and 4294967295, got -1; set sweep\.seed\.$"
    ):
        build_sampler({"_target_": "optuna.samplers.TPESampler", "seed": -1}, 0, 0)
    with pytest.raises(
        UserError, match=r"^sweep\.sampler: `population_size` must be greater than or equal to 2\.$"
    ):
        build_sampler(node("nsga2", population_size=1), 0, 0)


def test_cma_es_is_refused_for_several_objectives_and_others_are_not() -> None:
    both = read_objectives(["valid/accuracy", "model/parameters"], "")
    with pytest.raises(UserError) as caught:
        check_sampling(node("cmaes"), both)
    assert str(caught.value) == (
        "CMA-ES improves one number, and sweep.objectives has 2 (valid/accuracy, model/parameters); "
        "use sweep=nsga2 or sweep=tpe, or one objective."
    )
    check_sampling(node("cmaes"), both[:1])
    check_sampling(None, both)
    for name in ("random", "tpe", "gp", "qmc", "nsga2"):
        check_sampling(node(name), both)


@pytest.mark.parametrize("name", ["GridSampler", "BruteForceSampler"])
def test_samplers_that_end_their_study_by_themselves_are_refused(name: str) -> None:
    with pytest.raises(
        UserError, match=rf"^sweep\.sampler: {name} ends its study by itself, .+; use sweep=grid\.$"
    ):
        check_sampling({"_target_": f"optuna.samplers.{name}"}, read_objectives(None, "valid/loss"))


def test_each_choice_builds_the_class_of_its_name() -> None:
    made = {name: type(build_sampler(node(name), 0, 0)) for name in ("random", "tpe", "cmaes", "qmc")}
    assert made == {"random": RandomSampler, "tpe": TPESampler, "cmaes": CmaEsSampler, "qmc": QMCSampler}
