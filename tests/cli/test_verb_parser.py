from __future__ import annotations

import pytest

from harness.cli.verb_parser import Parser
from harness.core.errors import UserError


def test_what_a_verb_does_not_know_is_refused_with_the_way_to_its_help() -> None:
    with pytest.raises(UserError) as caught:
        Parser("ls", "List.").parse_args(["--nope"])
    assert str(caught.value) == (
        "unrecognized arguments: --nope; `python -m harness ls --help` lists the arguments."
    )
