from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config.compose import compose
from harness.config.known_settings import LARGEST_SEED, check_settings, check_type
from harness.core.errors import UserError


@pytest.fixture(scope="module")
def composed() -> dict[str, Any]:
    plain: Any = OmegaConf.to_container(compose([]), resolve=True)
    return dict(plain)


@pytest.fixture
def settings(composed: dict[str, Any]) -> dict[str, Any]:
    return deepcopy(composed)


def test_the_default_configuration_has_every_setting(settings: dict[str, Any]) -> None:
    check_settings(settings)


@pytest.mark.parametrize("seed", [0, LARGEST_SEED])
def test_every_seed_of_numpy_is_accepted(settings: dict[str, Any], seed: int) -> None:
    check_settings({**settings, "seed": seed})


@pytest.mark.parametrize("seed", [-1, LARGEST_SEED + 1])
def test_any_other_seed_is_refused(settings: dict[str, Any], seed: int) -> None:
    with pytest.raises(UserError, match=rf"^seed must be between 0 and 4294967295, got {seed}\.$"):
        check_settings({**settings, "seed": seed})


@pytest.mark.parametrize("key", ["seed", "name", "outputs", "tags", "sweep.name", "harness.traceback"])
def test_a_deleted_setting_is_refused(settings: dict[str, Any], key: str) -> None:
    node = settings
    for name in key.split(".")[:-1]:
        node = node[name]
    del node[key.split(".")[-1]]
    with pytest.raises(
        UserError, match=rf"^the setting {key} is missing; remove the override that deletes or replaces it\.$"
    ):
        check_settings(settings)


@pytest.mark.parametrize("key", ["name", "outputs"])
def test_an_empty_text_is_refused(settings: dict[str, Any], key: str) -> None:
    with pytest.raises(UserError, match=rf"^{key} must not be empty; give {key}=VALUE, or leave it out\.$"):
        check_settings({**settings, key: " "})


@pytest.mark.parametrize("part", [None, 3, {}, {"widths": [1]}])
def test_a_room_without_a_part_is_refused_with_its_choices(settings: dict[str, Any], part: Any) -> None:
    with pytest.raises(
        UserError, match=r"^split must be a part with a _target_, got .*; choose split=group_kfold or "
    ):
        check_settings({**settings, "split": part})


def test_a_number_for_a_text_is_refused_with_the_way_to_write_it() -> None:
    with pytest.raises(UserError) as caught:
        check_type(2020, str | None, "data.extract.target")
    assert str(caught.value) == (
        "data.extract.target must be text or null, got 2020; "
        "a text of digits is written \"data.extract.target='2020'\"."
    )


def test_a_value_for_a_group_is_refused_with_its_choices() -> None:
    with pytest.raises(UserError) as caught:
        check_type(None, dict[str, Any], "trainer.optimizer")
    assert str(caught.value) == (
        "trainer.optimizer must be a mapping, got null; "
        "choose trainer/optimizer=adam or adamw or lars or rmsprop or sgd."
    )


def test_debug_is_a_part_where_there_is_one(settings: dict[str, Any]) -> None:
    check_settings({**settings, "debug": None})
    check_settings({**settings, "debug": {"_target_": "some.part"}})
    sentence = (
        r"^debug must be a part with a _target_, got true; choose debug=anomaly or fast or lr or overfit or"
    )
    with pytest.raises(UserError, match=sentence):
        check_settings({**settings, "debug": True})


def test_sampler_and_pruner_are_parts_or_nothing(settings: dict[str, Any]) -> None:
    sweep = {**settings["sweep"], "sampler": {"_target_": "some.part"}, "pruner": None}
    check_settings({**settings, "sweep": sweep})
    with pytest.raises(
        UserError, match=r"^sweep\.pruner must be a part with a _target_ or null, got 'asha'; "
    ):
        check_settings({**settings, "sweep": {**sweep, "pruner": "asha"}})


def test_an_unknown_setting_of_sweeps_is_refused_with_near_names(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=r"^there is no setting .sweep\.trails.; did you mean trials\?$"):
        check_settings({**settings, "sweep": {**settings["sweep"], "trails": 3}})
