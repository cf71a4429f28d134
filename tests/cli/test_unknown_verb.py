from __future__ import annotations

import pytest

from harness.__main__ import VERBS
from harness.cli.unknown_verb import unknown_verb


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("run", "a training needs none: `python -m harness KEY=VALUE`."),
        ("sweep", "a sweep needs none: `python -m harness -m KEY=VALUE,VALUE`."),
        ("list", "did you mean ls?"),
        ("help", "did you mean --help?"),
        ("trainer", "did you mean trainer=CHOICE?"),
        ("optimizer", "did you mean trainer/optimizer=CHOICE?"),
        ("mlp", "did you mean model=mlp?"),  # `mcp` is near too
        ("asha", "did you mean sweep=asha or sweep/pruner=asha?"),
        ("none", "`python -m harness --help` lists the verbs, and a setting is KEY=VALUE."),
        ("predcit", "did you mean predict? (A setting is KEY=VALUE.)"),
    ],
)
def test_a_word_that_is_no_verb_is_answered_with_what_it_may_stand_for(name: str, remedy: str) -> None:
    error = unknown_verb(name, VERBS)
    assert str(error) == f"there is no verb {name!r}; {remedy}"
    assert error.value == name
