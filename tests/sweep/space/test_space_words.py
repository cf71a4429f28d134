"""How a search space that cannot be read is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.config.overrides import Overrides


@pytest.mark.parametrize(
    ("word", "sentence"),
    [
        ("seed=choice()", "seed=choice() holds no value; give one or more: seed=A,B,C."),
        (
            "seed=uniform(1,2)",
            "seed=uniform(1,2) cannot be read (Unknown function 'uniform'); values are A,B or choice(A,B), ",
        ),
        (
            "seed=choice(1,null)",
            "seed=choice(1,null): null is possible in a plain list only; write seed=A,null.",
        ),
    ],
)
def test_a_word_of_a_multirun_that_hydra_cannot_read_is_one_sentence(
    run_cli: Any, here: Path, word: str, sentence: str
) -> None:
    for option in ("-m", "--multirun"):
        answer = run_cli(option, word)
        assert answer.status == 2
        assert answer.err.startswith(f"error: {sentence}")
        assert len(answer.err.splitlines()) == 1
    assert not list(here.iterdir())


def test_of_a_pattern_the_first_matching_choice_is_tried() -> None:
    words = ["model=glob(resnet*)", "+data/extract@other=glob(ir*)", "model=glob(nothing*)"]
    assert Overrides.parse(words).first_values().texts == ["model=resnet18", "+data/extract@other=iris"]
