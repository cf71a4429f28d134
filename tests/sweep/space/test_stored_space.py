"""What a study keeps of a space, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from harness.sweep.space.search_space import Space
from harness.sweep.space.stored_space import earlier_defaults

Build = Callable[..., Space]

LR = "trainer.optimizer.lr"


def changes(before: Space, now: Space) -> list[str]:
    return now.differences(json.loads(json.dumps(before.stored(), allow_nan=False)))


def test_a_space_is_stored_in_plain_values(space: Build) -> None:
    widths = {"values": [[64], None, 3], "when": "model=mlp"}
    found = space(
        "sweep.trials=9", "split=kfold", "model=mlp,vit", f"{LR}=tag(log,interval(1e-4,1))", widths=widths
    )
    assert found.stored() == {
        "fixed": ["split=kfold"],
        "dimensions": {
            "model": {"kind": "choices", "values": ["mlp", "vit"], "when": []},
            LR: {"kind": "interval", "values": "0.0001 to 1.0 (log)", "when": []},
            "widths": {"kind": "choices", "values": ["[64]", None, 3], "when": ["model=mlp"]},
        },
        "defaults": ["data/transform/numeric"],
    }


def test_passwords_are_not_stored(space: Build) -> None:
    stored = space(
        "data.extract.url=postgresql://me:hidden@host/db", "+headers.api_key=secret7", "seed=1,2"
    ).stored()
    assert stored["fixed"] == ["data.extract.url=postgresql://me:***@host/db", "+headers.api_key=***"]


def test_the_same_space_has_no_differences_whatever_the_order_of_its_words(space: Build) -> None:
    words = ("model=mlp,vit", "seed=range(0,9)", f"{LR}=interval(0,1)", "split=kfold", "name=a")
    assert changes(space(*words), space(*reversed(words))) == []


def test_settings_of_how_a_sweep_runs_are_no_difference(space: Build) -> None:
    before = space("seed=1,2", "sweep=tpe", "sweep.trials=3", "outputs=x", "tracking=none", "resume.run=auto")
    assert changes(before, space("seed=1,2", "sweep.workers=9", "harness.traceback=true")) == []


NUMERIC = "data/transform/numeric"


def earlier(space: Build, *words: str) -> dict[str, Any]:
    """A space of an earlier version, which did not store the groups whose defaults have changed since."""
    stored = space(*words).stored()
    del stored["defaults"]
    return stored


@pytest.mark.parametrize(
    ("words", "choice", "found"),
    [
        ((), "bounded", [f"{NUMERIC}=standard"]),
        ((), "standard", []),  # the user has chosen it
        ((), None, []),  # such as of images
        ((f"{NUMERIC}=bounded",), "bounded", []),
        ((f"{NUMERIC}=bounded,robust",), "bounded", []),
    ],
)
def test_a_sweep_that_began_with_another_default_has_a_word_for_it(
    space: Build, words: tuple[str, ...], choice: str | None, found: list[str]
) -> None:
    choices = {} if choice is None else {NUMERIC: choice}
    assert earlier_defaults(earlier(space, "seed=1,2", *words), choices) == found
    assert earlier_defaults(space("seed=1,2", *words).stored(), choices) == []


def test_the_word_for_an_earlier_default_is_no_difference_to_a_sweep_that_began_with_it(space: Build) -> None:
    now = space("seed=1,2", f"{NUMERIC}=standard")
    assert now.differences(earlier(space, "seed=1,2")) == []
    assert changes(space("seed=1,2"), now) == [f"{NUMERIC}=standard is new"]
    assert space("seed=1,2", f"{NUMERIC}=robust").differences(earlier(space, "seed=1,2")) == [
        f"{NUMERIC}=robust is new"
    ]


def test_each_change_is_one_phrase(space: Build) -> None:
    before = space(
        "model=mlp,convnet",
        f"{LR}=tag(log,interval(0.0001,0.1))",
        "a=1,2",
        "b=interval(0,1)",
        "c=range(1,4)",
        "d=1,2",
        "e=1,2",
        "split=kfold",
        "name=x",
        f={"values": "1,2", "when": "model=mlp"},
    )
    now = space(
        "model=mlp,convnet,resnet18",
        f"{LR}=tag(log,interval(0.001,0.1))",
        "a=2,1",
        "b=0.5,1.5",
        "c=range(1,9,2)",
        "d=1,3,4",
        "g=1,2",
        "split=ratio",
        "seed=1",
        f="1,2",
    )
    assert changes(before, now) == [
        "model gained the choice resnet18",
        "trainer.optimizer.lr was interval 0.0001 to 0.1 (log), and is 0.001 to 0.1 (log)",
        "a listed 1 and 2, and lists 2 and 1",
        "b was interval 0.0 to 1.0, and is choices 0.5 and 1.5",
        "c was range 1 to 3 in steps of 1, and is 1 to 7 in steps of 2",
        "d gained the choices 3 and 4",
        "d lost the choice 2",
        "g is swept now",
        "f was tried when model=mlp, and is always",
        "e is no longer swept",
        "split=kfold became split=ratio",
        "seed=1 is new",
        "name=x is gone",
    ]


def test_a_number_and_its_text_are_different_choices(space: Build) -> None:
    assert changes(space("a=1,2"), space("a='1',2.0")) == [
        "a gained the choices '1' and 2.0",
        "a lost the choices 1 and 2",
    ]
