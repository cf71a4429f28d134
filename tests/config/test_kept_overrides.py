from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from harness.config import kept_overrides

WORDS = [
    "a.b=[1,{c: 'd'}]",
    "+größe=1",
    "~x",
    "g@p=choice(1,2)",
    "lr=tag(log,interval(1e-4,1))",
    "n=shuffle(1,2)",
]


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> dict[Any, Any]:
    """What is kept of this test alone."""
    kept: dict[Any, Any] = {}
    kept_overrides.install()
    monkeypatch.setattr(kept_overrides, "_kept", kept)
    return kept


def parse(*words: str) -> list[Any]:
    return OverridesParser.create().parse_overrides(list(words))


def test_a_text_is_parsed_once_and_each_caller_has_a_copy(parsed: dict[Any, Any]) -> None:
    first = parse(*WORDS)
    before = [vars(override).copy() for override in first]
    assert len(parsed) == len(WORDS)
    parsed_first = list(parsed.values())
    assert parse(*WORDS) == first
    assert list(map(id, parsed.values())) == list(map(id, parsed_first))
    first[0].value()[1]["c"] = "changed"
    first[1].key_or_group = "other"
    first[3].value().list.append(3)
    assert [vars(override) for override in parse(*WORDS)[1:3]] == before[1:3]
    assert parse(*WORDS)[0].value() == [1, {"c": "d"}]
    assert parse(*WORDS)[3].value().list == [1, 2]


def test_errors_other_rules_and_other_functions_are_not_mixed_up(
    parsed: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        with pytest.raises(OverrideParseException, match="no viable alternative"):
            parse("a=[1")
    assert OverridesParser.create().parse_rule("a", "key").key_or_group == "a"
    assert parsed == {}
    parser = OverridesParser.create()
    parser.functions.register("twice", lambda x: 2 * x)  # type: ignore[arg-type]
    assert parser.parse_override("a=1").value() == parse("a=1")[0].value() == 1
    assert len(parsed) == 2
    monkeypatch.setattr(kept_overrides, "_MOST", 2)
    parse("b=1", "c=1")
    assert [text for text, _ in parsed] == ["b=1", "c=1"]
