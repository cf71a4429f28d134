"""A stored configuration is written as OmegaConf writes it."""

from __future__ import annotations

from typing import Any

import pytest
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.yaml_text import yaml_text
from harness.runtime.config_nodes import container, copied

TREES: list[dict[str, Any]] = [
    {},
    {"a": None, "b": True, "c": 1, "d": 1e-05, "e": float("inf"), "f": [], "g": {}},
    {"texts": ["1", "1e3", "on", "null", "", " x ", "a: b", "#", "é", "line\nnext", "${oc.env:A}", "'", '"']},
    {"long": "word " * 60, "path": "a/" * 90, "nested": [{"a": [1, [2, {"b": "x"}]]}, {"c": 0.1}]},
    {"${a}": "key", "1": 1, "true": 2},
]


@pytest.mark.parametrize("tree", TREES)
def test_yaml_text_is_that_of_omegaconf(tree: dict[str, Any]) -> None:
    assert yaml_text(tree) == OmegaConf.to_yaml(tree)


def test_one_object_at_two_places_is_written_twice() -> None:
    shared = [1, 2]
    assert yaml_text({"a": shared, "b": shared}) == "a:\n- 1\n- 2\nb:\n- 1\n- 2\n"


def test_a_copy_keeps_references_and_flags_and_is_its_own() -> None:
    cfg = OmegaConf.create({"a": 1, "b": {"c": "${a}"}})
    OmegaConf.set_struct(cfg, True)
    copy = copied(cfg)
    copy.a = 2
    assert (cfg.b.c, copy.b.c, OmegaConf.is_struct(copy)) == (1, 2, True)


def test_a_configuration_with_objects_that_cannot_be_pickled_is_copied() -> None:
    def local() -> None: ...

    cfg = OmegaConf.create({"a": local, "b": 1}, flags={"allow_objects": True})
    copy = copied(cfg)
    copy.b = 2
    assert copy.a is local
    assert cfg.b == 1


@pytest.mark.parametrize(
    "content",
    [
        {"a": 1, "b": [True, None, 0.5, {"c": "x"}], "d": {}, "e": []},
        {"a": 1, "b": {"c": "${a}"}, "d": "${b}"},
        {"a": "???", "b": 1},
        {"a": [1, "${b.c}", ["${.0}"]], "b": {"c": "x${d}", "e": "${b.c}${b.c}"}, "d": 2},
        {"a": "\\${b}", "b": "\\\\${c}", "c": 1, "d": "$", "e": "a ${oc.env:NOT_SET,none}"},
        {"a": "${b}", "b": "???", "c": ["???", {"d": "???"}]},
        {"a": "${nowhere}"},
        {"a": "${b}", "b": {"c": "${a}"}},
        {"a": None, "b": "${a}", "c": "${d}", "d": [{"e": "${b}"}]},
    ],
)
@pytest.mark.parametrize("resolve", [True, False])
@pytest.mark.parametrize("missing", [True, False])
def test_a_container_is_that_of_omegaconf(content: dict[str, Any], resolve: bool, missing: bool) -> None:
    cfg = OmegaConf.create(content)
    answers: list[Any] = []
    for read in (container, OmegaConf.to_container):
        try:
            answers.append(read(cfg, resolve=resolve, throw_on_missing=missing))
        except (OmegaConfBaseException, RecursionError) as error:
            answers.append((type(error), str(error)))
    assert answers[0] == answers[1]
