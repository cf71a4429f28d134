from __future__ import annotations

from typing import Any

from harness.cli.ls import description, groups
from harness.config.choice_files import CONF


def test_without_a_group_every_group_is_listed_with_its_choices(run_cli: Any) -> None:
    answer = run_cli("ls")
    assert (answer.status, answer.err) == (0, "")
    lines = dict(line.split(maxsplit=1) for line in answer.out.splitlines())
    assert lines["tracking"] == "mlflow, none"
    assert lines["trainer/optimizer"] == "adam, adamw, lars, rmsprop, sgd"
    assert list(lines) == sorted(groups())


def test_a_group_is_listed_with_a_description_of_each_choice(run_cli: Any) -> None:
    lines = run_cli("ls", "model").out.splitlines()
    assert [line.split()[0] for line in lines] == groups()["model"]
    described = {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}
    assert described["mlp"] == "multilayer perceptron, the plain choice for a table of features"
    assert len({len(line) - len(text) for line, text in zip(lines, described.values(), strict=True)}) == 1


def test_a_group_may_be_written_as_a_key(run_cli: Any) -> None:
    assert run_cli("ls", "data.extract").out == run_cli("ls", "data/extract/").out != ""


def test_every_choice_has_a_description() -> None:
    for group, choices in groups().items():
        for choice in choices:
            assert description(CONF / group / f"{choice}.yaml")
