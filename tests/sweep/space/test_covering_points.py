"""A handful of points stands for a whole space."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from optuna.trial import FixedTrial

from harness.sweep.space.search_space import Space
from harness.sweep.space.swept_value import Point

Build = Callable[..., Space]

LR = "trainer.optimizer.lr"


def big(space: Build) -> Space:
    return space(
        "model=mlp,convnet,vit",
        "trainer/optimizer=adamw,sgd",
        f"{LR}=tag(log,interval(1e-4,1e-1))",
        "seed=range(0,1000)",
        "model.dropout=0.0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8",
        **{
            "trainer.optimizer.momentum": {"values": "interval(0.5,0.9)", "when": "trainer/optimizer=sgd"},
            "model.heads": {"values": "1,2,4,8", "when": ["model=vit", "trainer/optimizer=sgd"]},
        },
    )


def met(points: list[Point], key: str) -> set[Any]:
    return {point[key] for point in points if key in point}


def test_probes_meet_all_combinations_of_groups_first_and_every_choice_and_end(space: Build) -> None:
    points = big(space).probes(40, 0)
    assert len(points) == 40
    groups = [(point["model"], point["trainer/optimizer"]) for point in points]
    assert len(set(groups[:6])) == 6
    assert met(points, "model.dropout") == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}
    assert met(points, "model.heads") == {1, 2, 4, 8}
    assert {1e-4, 1e-1} < met(points, LR)
    assert {0, 999} < met(points, "seed")
    assert {0.5, 0.9} < met(points, "trainer.optimizer.momentum")
    assert all(big(space).suggest(FixedTrial(point)) == point for point in points)


def test_probes_cover_the_choices_where_combinations_are_too_many(space: Build) -> None:
    found = space(
        "model=mlp,convnet,vit",
        "trainer/optimizer=adamw,sgd,lars",
        "split=ratio,kfold",
        f"{LR}=interval(0,1)",
    )
    points = found.probes(4, 0)
    assert len(points) == 4
    assert met(points, "model") == {"mlp", "convnet", "vit"}
    assert met(points, "trainer/optimizer") == {"adamw", "sgd", "lars"}
    assert met(points, "split") == {"ratio", "kfold"}


def test_probes_are_the_same_for_the_same_seed_and_a_small_grid_whole(space: Build) -> None:
    assert big(space).probes(40, 1) == big(space).probes(40, 1) != big(space).probes(40, 2)
    small = space("model=mlp,vit,convnet", depth={"values": "1,2", "when": "model=mlp,vit"})
    assert small.probes(5, 0) == list(small.grid())
    assert len(small.probes(4, 0)) == 4


def test_a_choice_deep_below_conditions_is_met(space: Build) -> None:
    found = space(
        "model=mlp,convnet,vit,resnet18",
        f"{LR}=interval(0,1)",
        a={"values": "1,2,3", "when": "model=resnet18"},
        b={"values": "x,y", "when": "a=3"},
    )
    assert met(found.probes(9, 0), "b") == {"x", "y"}
