from __future__ import annotations

from typing import Any

from harness.cli.ls import description, groups
from harness.config.choice_files import CONF


def test_without_a_group_every_group_is_listed_with_its_choices(knock: Any) -> None:
    answer = knock("ls")
    assert (answer.status, answer.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in answer.out.splitlines())
    assert lines["tracking"] == "mlflow, none"
    assert lines["trainer/optimizer"] == "adam, adamw, lars, rmsprop, sgd"
    assert list(lines) == sorted(groups())


def test_a_group_is_listed_with_what_each_choice_is(knock: Any) -> None:
    lines = knock("ls", "model").out.splitlines()
    assert [line.split()[0] for line in lines] == groups()["model"]
    assert "mlp          multilayer perceptron, the plain choice for a table of features" in lines


def test_a_group_may_be_written_as_a_key(knock: Any) -> None:
    assert knock("ls", "data.extract").out == knock("ls", "data/extract/").out != ""


def test_every_choice_has_a_description() -> None:
    for group, choices in groups().items():
        for choice in choices:
            assert description(CONF / group / f"{choice}.yaml")
