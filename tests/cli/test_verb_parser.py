from __future__ import annotations

import pytest

from harness.cli.verb_parser import Parser
from harness.core.errors import UserError


def test_unknown_options_of_a_verb_are_refused_with_its_help_command() -> None:
    with pytest.raises(UserError) as caught:
        Parser("ls", "List.").parse_args(["--nope"])
    assert str(caught.value) == (
        "unrecognized arguments: --nope; `python -m harness ls --help` lists the arguments."
    )
