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


def test_a_setting_with_dashes_is_answered_with_the_spelling_that_works() -> None:
    parser = Parser("check", "Check.")
    parser.add_argument("overrides", nargs="*")
    for parse in (parser.parse_args, parser.parse_intermixed_args):
        with pytest.raises(UserError) as caught:
            parse(["model=mlp", "--trainer.epochs=3"])
        assert str(caught.value) == (
            "--trainer.epochs=3 is no option; a setting has no dashes: trainer.epochs=3."
        )
        assert caught.value.key == "trainer.epochs"


@pytest.mark.parametrize("text", ["Data.example.org", "https://me@data.example.org:8080/rows"])
def test_a_server_is_allowed_by_its_name_or_an_address(text: str) -> None:
    parser = Parser("rerun", "Repeat.")
    parser.allow()
    assert parser.parse_args(["--allow-host", text]).allow == ["host:data.example.org"]
    with pytest.raises(UserError, match=r"takes the name of a server, got 'http://'"):
        parser.parse_args(["--allow-host", "http://"])
