"""harness/sweep/preflight/default_point.py"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from omegaconf import DictConfig, OmegaConf

from harness.core.errors import UserError
from harness.sweep.preflight.default_point import default_point
from harness.sweep.space.search_space import Space

CONFIG = OmegaConf.create(
    {"model": {"widths": [64, 64], "dropout": 0.1}, "seed": 0, "trainer": {"epochs": 20}}
)


def load() -> tuple[DictConfig, Mapping[str, str]]:
    return CONFIG, {"model": "mlp"}


def test_the_default_point_has_the_values_of_the_configuration(space: Callable[..., Space]) -> None:
    found = space("model=vit,mlp", "seed=0,1", "model.widths=[8],[64,64]", "model.dropout=interval(0,0.5)")
    point = default_point(found, load)
    assert point == {"model": "mlp", "seed": 0, "model.widths": "[64,64]", "model.dropout": 0.1}
    assert found.words(point) == ["model=mlp", "seed=0", "model.widths=[64,64]", "model.dropout=0.1"]


def test_values_outside_of_the_space_and_unknown_keys_are_left_to_the_sampler(
    space: Callable[..., Space],
) -> None:
    found = space("model=vit,resnet", "seed=1,2", "+model.depth=1,2", "trainer.epochs=int(interval(10,30))")
    assert default_point(found, load) == {"trainer.epochs": 20}


def test_a_key_whose_condition_does_not_hold_is_no_part_of_it(space: Callable[..., Space]) -> None:
    when = {"values": [0, 1], "when": "model=vit"}
    found = space("model=vit,mlp", seed=when)
    assert default_point(found, load) == {"model": "mlp"}


def test_without_a_configuration_there_is_no_default(space: Callable[..., Space]) -> None:
    def refuse() -> tuple[DictConfig, Mapping[str, str]]:
        raise UserError("data.extract.path is missing", "set it")

    assert default_point(space("seed=0,1"), refuse) == {}
