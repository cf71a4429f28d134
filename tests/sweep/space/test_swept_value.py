"""Values survive the command line."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.sweep.space.swept_value import value_of, word

LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12)
# Hydra's grammar has no quotes for the keys of a mapping: `true` would be a truth value.
KEYS = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True).filter(
    lambda key: key not in ("true", "false", "null", "inf", "nan")
)
NESTED = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=5
)


def read(text: str) -> Any:
    """What Hydra reads from `key=text`."""
    (override,) = OverridesParser.create().parse_overrides([f"key={text}"])
    return override.value()


def typed(value: Any) -> Any:
    """The value with its types, in which 1, 1.0 and true differ."""
    if isinstance(value, list):
        return [typed(item) for item in value]
    if isinstance(value, dict):
        return {key: typed(item) for key, item in value.items()}
    return type(value), value


@settings(max_examples=60, deadline=None)
@given(NESTED)
def test_hydra_reads_back_exactly_the_value_that_was_written(value: Any) -> None:
    assert typed(read(word(value_of(value)))) == typed(value)


@settings(max_examples=60, deadline=None)
@given(NESTED)
def test_a_value_is_plain_json_and_is_read_back_unchanged(value: Any) -> None:
    stored = value_of(value)
    assert typed(json.loads(json.dumps(stored, allow_nan=False))) == typed(stored)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (-3, "-3"),
        (1e-05, "1e-05"),
        (float("-inf"), "-inf"),
        ("mlp", "mlp"),
        ("data/x.csv", "data/x.csv"),
        ("", "''"),
        ("true", "'true'"),
        ("1e-3", "'1e-3'"),
        ("a, b=[c]", "'a, b=[c]'"),
        ("it's", r"'it\'s'"),
        ("back\\", r"'back\\'"),
        ("${seed}", "'${seed}'"),
        ([64, "a b"], "[64,'a b']"),
        ({"a": [1.5, None]}, "{a:[1.5,null]}"),
    ],
)
def test_a_value_is_written_as_a_careful_user_types_it(value: Any, text: str) -> None:
    assert word(value_of(value)) == text
    assert typed(read(text)) == typed(value)


def test_a_text_that_hydra_quotes_is_the_same_value_as_without_quotes() -> None:
    (override,) = OverridesParser.create().parse_overrides(["key='mlp',mlp,\"a b\",a b"])
    found = [value_of(element) for element in override.sweep_iterator()]
    assert found == ["mlp", "mlp", "'a b'", "'a b'"]


def test_what_is_no_value_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^a value is null, true or false, a number, .+, got \{1, 2\}$"):
        value_of({1, 2})
