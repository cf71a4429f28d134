from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import DictConfig, OmegaConf

from harness.config.compose import compose_exactly
from harness.core.errors import UserError
from harness.sweep.study import sweep_settings
from harness.sweep.study.sweep_settings import SweepSettings, read_settings

RANDOM = {"_target_": "optuna.samplers.RandomSampler", "seed": 0}


@pytest.fixture(scope="module")
def composed() -> DictConfig:
    node: DictConfig = compose_exactly([]).sweep
    return node


@pytest.fixture
def read(composed: DictConfig) -> Any:
    """`read(trials=3)` reads the default settings with that one."""

    def settings(**values: Any) -> SweepSettings:
        node = OmegaConf.create(OmegaConf.to_container(composed))
        assert isinstance(node, DictConfig)
        node.update(values)
        return read_settings(node)

    return settings


def test_the_defaults_are_a_grid_by_one_worker(read: Any) -> None:
    settings = read()
    assert (settings.trials, settings.workers, settings.storage, settings.repeat) == (None, 1, None, 1)
    assert (settings.test, settings.axis, settings.lease, settings.retries) == (
        "recommended",
        "epochs",
        60,
        0,
    )
    assert (settings.space, settings.constraints, settings.enqueue) == ({}, [], [])


@pytest.mark.parametrize(
    "objectives", [None, "valid/f1", ["valid/f1", "model/parameters"], {"valid/f1": "maximize"}]
)
def test_objectives_may_be_a_name_a_list_or_names_with_directions(read: Any, objectives: Any) -> None:
    assert read(objectives=objectives).objectives == objectives


@pytest.mark.parametrize(
    ("name", "value", "least"),
    [
        ("trials", 0, 1),
        ("stagnation", 0, 1),
        ("workers", 0, 1),
        ("repeat", 0, 1),
        ("retries", -1, 0),
        ("failures", 0, 1),
        ("recycle", 0, 1),
        ("lease", 4.5, 5),
        ("lease", float("nan"), 5),
    ],
)
def test_a_number_below_the_least_is_refused(read: Any, name: str, value: float, least: int) -> None:
    with pytest.raises(UserError) as caught:
        read(**{name: value})
    assert str(caught.value) == f"sweep.{name} must be at least {least}, got {value}."


@pytest.mark.parametrize("name", ["hours", "timeout"])
@pytest.mark.parametrize("value", [0, -1.5, float("inf")])
def test_a_time_is_above_zero(read: Any, name: str, value: float) -> None:
    with pytest.raises(UserError) as caught:
        read(sampler=RANDOM, **{name: value})
    assert str(caught.value) == f"sweep.{name} must be above 0 or null, got {value}."


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("trials", 2.5, "sweep.trials must be a whole number or null, got 2.5."),
        ("workers", "many", "sweep.workers must be a whole number, got 'many'."),
        ("test", "some", "sweep.test must be one of recommended, best, all, none, got 'some'."),
        ("axis", "steps", "sweep.axis must be one of epochs, folds, got 'steps'."),
        ("isolate", 1, "sweep.isolate must be true or false, got 1."),
        ("enqueue", {"a": 1}, "sweep.enqueue must be a list, each a mapping, got {a: 1}."),
        (
            "objectives",
            {"valid/f1": "up"},
            "sweep.objectives must be text or a list of texts or a mapping or null, got {valid/f1: 'up'}.",
        ),
        ("seed", -1, "sweep.seed must be between 0 and 4294967295, got -1."),
        ("storage", " ", "sweep.storage must not be empty; give sweep.storage=URL, or leave it out."),
        (
            "name",
            "a/b",
            "sweep.name must be letters, digits, '.', '_' and '-', with which a folder can be named, "
            "got 'a/b'.",
        ),
    ],
)
def test_a_value_of_another_kind_is_refused(read: Any, name: str, value: Any, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        read(**{name: value})
    assert str(caught.value) == sentence


def test_a_deleted_setting_is_refused(composed: DictConfig) -> None:
    node = OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "lease"])
    with pytest.raises(UserError, match=r"^the setting sweep\.lease is missing; remove "):
        read_settings(node)


def test_a_grid_has_its_own_number_of_trials_and_its_own_order(read: Any) -> None:
    with pytest.raises(UserError) as caught:
        read(trials=5)
    assert str(caught.value) == (
        "sweep=grid runs every point of its grid, and sweep.trials=5 asks for another number; "
        "leave sweep.trials out, or have so many points drawn with sweep=random."
    )
    with pytest.raises(UserError) as caught:
        read(enqueue=[{"model": "mlp"}])
    assert str(caught.value) == (
        "sweep=grid runs its points in their order, and sweep.enqueue asks for some to be first; "
        "leave it out, or choose a sampler such as sweep=tpe."
    )


def test_a_sampler_needs_an_end(read: Any) -> None:
    with pytest.raises(UserError) as caught:
        read(sampler=RANDOM)
    assert str(caught.value) == (
        "a sweep needs an end, and RandomSampler has none of its own; "
        "give it sweep.trials=N, sweep.hours=N, sweep.budget='2 hours' or sweep.stagnation=N."
    )
    for end in ({"trials": 1}, {"hours": 0.5}, {"budget": "2 h"}, {"stagnation": 3}):
        assert read(sampler=RANDOM, **end)


def test_a_budget_that_nothing_would_reach_is_refused(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_settings, "EnergyMeter", lambda: SimpleNamespace(sources=()))
    monkeypatch.setattr(sweep_settings, "gpus", list)
    for more in ({"budget": "2 kWh"}, {"budget": "2 EUR", "price_kwh": 0.3}):
        with pytest.raises(UserError) as caught:
            read(sampler=RANDOM, **more)
        assert str(caught.value) == (
            f"sweep.budget={more['budget']} needs the energy that is used, and neither NVML nor RAPL can be "
            "read here; give sweep.price_hour, the price of an hour of this machine, or a budget of time."
        )
    with pytest.raises(UserError) as caught:
        read(sampler=RANDOM, budget="2 gpu hours")
    assert str(caught.value) == (
        "sweep.budget=2 gpu hours limits the time of GPUs, and none can be seen here; add another end, such "
        "as sweep.trials=N, or give a budget of time."
    )
    assert read(sampler=RANDOM, budget="2 gpu hours", trials=9)
    assert read(sampler=RANDOM, budget="2 EUR", price_kwh=0.3, price_hour=1)
    with pytest.raises(UserError, match=r"^sweep\.price_hour must be at least 0, got -1\.$"):
        read(price_hour=-1)


def test_noise_can_only_be_left_of_a_number_of_trials(read: Any) -> None:
    with pytest.raises(UserError, match=r"how many trials are left, and sweep\.trials is not given; give"):
        read(sampler=RANDOM, hours=2, until="noise")
    with pytest.raises(UserError, match="every point of its grid, and"):
        read(until="noise")
    assert read(sampler=RANDOM, trials=20, until="noise").until == "noise"


def test_a_path_to_the_best_is_a_sweep_of_its_own(read: Any) -> None:
    with pytest.raises(UserError, match="two sweeps that follow an earlier one; leave one of them out"):
        read(sampler=RANDOM, trials=1, ablate=True, extend=2)
    with pytest.raises(
        UserError, match=r"^sweep\.ablate trains points of its own, and sweep\.from asks to try"
    ):
        read(sampler=RANDOM, trials=1, ablate=True, **{"from": "last"})


def test_under_torchrun_there_is_one_worker(read: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert read(workers=1).workers == 1
    with pytest.raises(UserError) as caught:
        read(workers=3)
    assert str(caught.value) == (
        "sweep.workers must be 1 under torchrun, whose processes train one trial together, got 3; "
        "leave it out, or start the sweep without torchrun."
    )
