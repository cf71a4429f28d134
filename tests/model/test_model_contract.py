"""Every yaml of conf/model keeps the contract of `harness.model`, and the habits of this house."""

from __future__ import annotations

import inspect

import pytest

from harness import testing
from harness.config.choice_files import CONF


class TestModels(testing.TestModels):
    conf = CONF
    unbuilt = frozenset({"timm"})
    export = {  # noqa: RUF012
        "mlp": [(30,)],
        "convnet": [(1, 8, 8)],
        "resnet18": [(1, 8, 8)],
        "vit": [(1, 8, 8)],
        "transformer": [(30,), (12, 3)],
    }


CHOICES = list(TestModels.yamls())


def test_the_seven_choices_are_there() -> None:
    assert set(CHOICES) >= {"mlp", "convnet", "resnet18", "resnet50", "vit", "transformer", "timm"}


@pytest.mark.parametrize("choice", CHOICES)
def test_a_yaml_starts_with_a_description_and_the_command_that_runs_it(choice: str) -> None:
    description, command, *_ = (CONF / "model" / f"{choice}.yaml").read_text().splitlines()
    assert description.startswith("# ")
    assert command.startswith("# python -m harness ")
    assert f"model={choice}" in command


@pytest.mark.parametrize("choice", CHOICES)
def test_a_model_of_ours_has_takes_and_its_last_argument_is_weights(choice: str) -> None:
    made = TestModels.part(choice)
    assert list(inspect.signature(made).parameters)[-1] == "weights"
    assert made.takes
