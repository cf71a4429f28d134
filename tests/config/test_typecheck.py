from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn

from harness.config.typecheck import describe, fits, shown


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (3, int),
        (3, float),
        (None, float | None),
        ("a", Literal["a", "b"]),
        ([1, 2], list[int]),
        ([0.9, 0.99], tuple[float, float]),
        ({"a": 1}, dict[str, Any]),
        (True, bool),
        (True, Any),
        (True, bool | str),
        (True, Literal[True]),
        ([], list[str]),
    ],
)
def test_a_value_fits_its_annotation(value: Any, hint: Any) -> None:
    assert fits(value, hint)


@pytest.mark.parametrize(
    ("value", "hint"),
    [
        (3.0, int),
        ("3", int),
        (True, int),
        (True, float | None),
        (True, Literal[1]),
        (None, int),
        ("c", Literal["a", "b"]),
        ([1, "a"], list[int]),
        ([0.9], tuple[float, float]),
        (3, str),
        ("auto", nn.Module),
        (None, Callable[..., Any]),
    ],
)
def test_a_value_does_not_fit_another_annotation(value: Any, hint: Any) -> None:
    assert not fits(value, hint)


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (int, "a whole number"),
        (float | None, "a number or null"),
        (str, "text"),
        (bool, "true or false"),
        (Path, "a path"),
        (Literal["a", "b"], "one of a, b"),
        (Literal["auto"] | int, "auto or a whole number"),
        (list[int], "a list of whole numbers"),
        (list[str] | None, "a list of texts or null"),
        (list[list[int]], "a list, each a list of whole numbers"),
        (list[Any], "a list"),
        (tuple[float, float], "[a number, a number]"),
        (dict[str, Any], "a mapping"),
        (float | torch.Tensor, "a number"),
        (torch.Tensor, "a part with a _target_"),
        (nn.Module | None, "a part with a _target_ or null"),
        (Callable[..., torch.optim.Optimizer], "a part with a _target_"),
    ],
)
def test_an_annotation_is_described_in_words(hint: Any, words: str) -> None:
    assert describe(hint) == words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        (1.5, "1.5"),
        ("a", "'a'"),
        ([1, None, [False]], "[1, null, [false]]"),
        ({"a": "b", "c": None}, "{a: 'b', c: null}"),
    ],
)
def test_a_value_is_shown_as_in_a_yaml(value: Any, text: str) -> None:
    assert shown(value) == text
