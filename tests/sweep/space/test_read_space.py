"""What a command line and `sweep.space` say together, and what they must not say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.core.errors import UserError
from harness.sweep.space.condition import Condition
from harness.sweep.space.interval import Interval
from harness.sweep.space.listed_values import Choices
from harness.sweep.space.search_space import Space
from harness.sweep.space.stepped_values import Steps

Build = Callable[..., Space]


def test_what_is_swept_becomes_a_dimension_and_the_rest_stays_as_it_was_typed(space: Build) -> None:
    found = space(
        "sweep=tpe", "model=mlp,vit", "trainer.optimizer.lr=tag(log,interval(1e-4,1))", "name='a, b'"
    )
    assert found.fixed == ("sweep=tpe", "name='a, b'")
    assert found.dimensions == (
        Choices(key="model", group=True, choices=("mlp", "vit")),
        Interval(key="trainer.optimizer.lr", low=1e-4, high=1.0, log=True),
    )


@pytest.mark.parametrize(
    ("values", "choices"),
    [
        ("2,2.5,true,null,a", (2, 2.5, True, None, "a")),
        ("choice(x,'y z')", ("x", "'y z'")),
        ("[64],[64,64]", ("[64]", "[64,64]")),
        ("{a: 1},{a: 2, b: [x]}", ("{a:1}", "{a:2,b:[x]}")),
        ("choice(3)", (3,)),
        ("1,inf", (1, "inf")),
        ("float(1,2)", (1.0, 2.0)),
        ("str(1,2)", ("'1'", "'2'")),
        ("${seed},'${oc.env:X}'", ("'${seed}'", "'${oc.env:X}'")),
    ],
)
def test_choices_keep_their_types_and_what_is_no_scalar_its_text(
    space: Build, values: str, choices: tuple[Any, ...]
) -> None:
    (dimension,) = space(f"x={values}").dimensions
    assert dimension == Choices(key="x", choices=choices)
    assert list(map(type, dimension.values())) == list(map(type, choices))


def test_numbers_keep_their_kind(space: Build) -> None:
    found = space(
        "a=range(1,10)", "b=range(0,1,0.25)", "c=interval(1,5)", "d=int(interval(1,5))", "e=range(3)"
    )
    assert found.dimensions == (
        Steps(key="a", start=1, step=1, count=9),
        Steps(key="b", start=0.0, step=0.25, count=4),
        Interval(key="c", low=1.0, high=5.0),
        Interval(key="d", low=1, high=5),
        Steps(key="e", start=0, step=1, count=3),
    )
    assert [type(value) for dimension in found.dimensions for value in dimension.landmarks()] == (
        [int, int, float, float, float, float, int, int, int, int]
    )


def test_groups_and_keys_are_distinguished_also_with_a_package(space: Build) -> None:
    found = space(
        "model=mlp,vit", "trainer/optimizer=sgd,adamw", "model@teacher=mlp,vit", "seed=1,2", "trainer.a=1,2"
    )
    assert [dimension.group for dimension in found.dimensions] == [True, True, True, False, False]


def test_yaml_takes_values_in_the_same_grammar_as_a_list_or_as_one_value(space: Build) -> None:
    found = space(
        **{
            "model": "mlp,vit",
            "+tags.idea": ["a", "b, c", None, [1, "x"], {"k": 2}],
            "trainer.optimizer.lr": "tag(log,interval(1e-4,1))",
            "seed": "range(0,4)",
            "trainer.epochs": {"values": 5},
            "name": "mlp",
        }
    )
    assert found.dimensions == (
        Choices(key="model", group=True, choices=("mlp", "vit")),
        Choices(key="tags.idea", plus="+", choices=("a", "'b, c'", None, "[1,x]", "{k:2}")),
        Interval(key="trainer.optimizer.lr", low=1e-4, high=1.0, log=True),
        Steps(key="seed", start=0, step=1, count=4),
        Choices(key="trainer.epochs", choices=(5,)),
        Choices(key="name", choices=("mlp",)),
    )


def test_a_key_of_yaml_may_come_apart_at_its_dots_as_hydra_makes_it_on_the_command_line(space: Build) -> None:
    momentum = {"values": "interval(0.5,0.9)", "when": "trainer/optimizer=sgd"}
    nested = {"trainer": {"optimizer": {"lr": "1,2", "momentum": momentum}, "epochs": [3, 4]}, "seed": "1,2"}
    dotted = {
        "trainer.optimizer.lr": "1,2",
        "trainer.optimizer.momentum": momentum,
        "trainer.epochs": [3, 4],
        "seed": "1,2",
    }
    words = ("trainer/optimizer=sgd,adamw",)
    assert space(*words, **nested) == space(*words, **dotted)
    with pytest.raises(
        UserError, match=r"^sweep\.space holds trainer\.epochs twice, written in two ways; write"
    ):
        space(**{"trainer.epochs": "1,2", "trainer": {"epochs": "3,4"}})


def test_the_command_line_wins_over_the_values_of_yaml_and_comes_first(space: Build) -> None:
    more = {"seed": "1,2", "split": "ratio,kfold", "model": "mlp,vit"}
    found = space("model=convnet,vit", "seed=7", **more)
    assert found.fixed == ("seed=7",)
    assert [(dimension.key, dimension.values()) for dimension in found.dimensions] == [
        ("model", ("convnet", "vit")),
        ("split", ("ratio", "kfold")),
    ]
    assert space("~split", **more).by_key.keys() == {"seed", "model"}


def test_conditions_are_any_of_several_values_and_all_of_several_texts(space: Build) -> None:
    found = space(
        "model=mlp,vit,convnet",
        "trainer.epochs=range(1,9)",
        **{
            "model.widths": {"values": [[8], [16]], "when": "model=mlp,vit"},
            "seed": {"values": "1,2", "when": ["model=mlp", "trainer.epochs=range(1,3)"]},
            "split": {"values": "kfold", "when": None},
        },
    )
    assert [dimension.when for dimension in found.dimensions] == [
        (),
        (),
        (Condition("model", ("mlp", "vit")),),
        (Condition("model", ("mlp",)), Condition("trainer.epochs", (1, 2))),
        (),
    ]


def test_yaml_may_give_a_condition_for_a_key_of_the_command_line(space: Build) -> None:
    momentum = "trainer.optimizer.momentum"
    when = (Condition("trainer/optimizer", ("sgd",)),)
    for entry in ({"when": "trainer/optimizer=sgd"}, {"values": [0.1], "when": "trainer/optimizer=sgd"}):
        found = space("trainer/optimizer=sgd,adamw", f"{momentum}=0.8,0.9", **{momentum: entry})
        assert found.by_key[momentum] == Choices(key=momentum, choices=(0.8, 0.9), when=when)
