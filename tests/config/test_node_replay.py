"""A node that Hydra has built before is built in the same way without it."""

from __future__ import annotations

import random
import sys
from functools import partial
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.config import instantiate
from harness.config.instantiate import build
from harness.config.node_replay import NodeReplay, outline
from harness.core.errors import UserError

calls: list[float] = []
"""The values that were refused."""


def fail(number: float) -> None:
    calls.append(number)
    raise RuntimeError("no memory left")


class Pair:
    """Holds what it was built with."""

    def __init__(self, number: float = 0, inner: Any = None, names: Any = ()) -> None:
        if number < 0:
            calls.append(number)
            raise ValueError(f"number must be 0 or more, got {number}")
        self.number, self.inner, self.names = number, inner, names
        self.drawn = random.random()


PAIR = f"{__name__}.Pair"


def _content(made: Any) -> Any:
    if isinstance(made, Pair):
        return made.number, _content(made.inner), made.names, made.drawn
    if isinstance(made, partial):
        return made.func, made.args, {name: _content(value) for name, value in made.keywords.items()}
    return [_content(value) for value in made] if isinstance(made, list) else made


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": PAIR},
        {"_target_": PAIR, "number": 2, "names": ["a", {"b": None}]},
        {"_target_": PAIR, "inner": {"_target_": PAIR, "number": 0.5}, "number": 1},
        {"_target_": PAIR, "inner": [{"_target_": PAIR, "_partial_": True, "number": 3}], "_partial_": True},
        {"_target_": PAIR, "inner": {"_target_": PAIR, "_partial_": True, "names": {"a": 1}}},
    ],
)
def test_a_second_object_equals_the_first(node: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = _seeded(node)
    build(node)  # looks up the targets
    monkeypatch.setattr(instantiate, "instantiate", None)  # Hydra is not asked again
    assert _content(_seeded(OmegaConf.create(node))) == _content(first)


def _seeded(node: Any) -> Any:
    random.seed(0)
    return build(node)


def test_numbers_may_differ_and_lists_are_new(monkeypatch: pytest.MonkeyPatch) -> None:
    node = {"_target_": PAIR, "number": 7, "names": [1]}
    build(node)
    first = build(node)
    monkeypatch.setattr(instantiate, "instantiate", None)
    second = build({**node, "number": 8})
    assert (second.number, second.names) == (8, [1])
    assert second.names is not first.names


@pytest.mark.parametrize(
    ("node", "key"),
    [
        ({"_target_": PAIR, "number": -1}, ""),
        ({"_target_": PAIR, "number": -1}, "place"),
        ({"_target_": PAIR, "inner": {"_target_": PAIR, "number": -1}}, "place"),
        ({"_target_": PAIR, "names": {"a": {"_target_": PAIR, "number": -1}}}, "place"),
        ({"_target_": PAIR, "inner": {"_target_": f"{__name__}.fail", "number": -1}}, "place"),
    ],
)
def test_a_constructor_that_refuses_is_called_once_and_has_the_message_of_hydra(
    node: dict[str, Any], key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal() -> str:
        calls.clear()
        with pytest.raises((UserError, RuntimeError)) as caught:
            build(node, key)
        assert len(calls) == 1
        return repr(caught.value)

    by_hydra = refusal()
    monkeypatch.setattr(instantiate, "_replay", NodeReplay(instantiate.target))
    instantiate._replay.remember(outline(node))
    monkeypatch.setattr(instantiate, "instantiate", None)
    for name in (PAIR, f"{__name__}.fail"):
        monkeypatch.setitem(instantiate._known, name, globals()[name.rpartition(".")[2]])
    assert refusal() == by_hydra


@pytest.mark.parametrize(
    "node",
    [
        {"_target_": PAIR, "_convert_": "none"},
        {"_target_": PAIR, "_recursive_": False},
        {"_target_": PAIR, "_args_": [1]},
        {"_target_": PAIR, "names": "${x}"},
        {"_target_": PAIR, "names": "???"},
        {"_target_": PAIR, "names": (1,)},
        {"_target_": Pair},
        {"_target_": PAIR, "names": {1: "a"}},
    ],
)
def test_what_hydra_treats_in_its_own_way_is_left_to_it(node: dict[str, Any]) -> None:
    assert outline(node) is None


def test_text_that_differs_is_another_node() -> None:
    texts = [outline({"_target_": PAIR, "names": name}) for name in ("a", "b", None, 1, 1.0, True)]
    assert len(set(texts)) == 6


def test_a_check_is_repeated_where_a_class_was_replaced(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    node = {"_target_": PAIR, "number": 5}
    instantiate.check_nodes(node, "place")
    monkeypatch.setattr(sys.modules[__name__], "Pair", Renamed)
    with pytest.raises(UserError, match=r"place\.number is no argument"):
        instantiate.check_nodes(node, "place")


class Renamed:
    def __init__(self, *, other: float = 0) -> None:
        self.other = other
