"""Only what differs and bears on the scores is shown, under the shortest name."""

from __future__ import annotations

import pytest

from harness.compare.parameter_differences import differing_parameters, most_telling, rounded, shortest_names
from harness.runs.setting_effects import affecting_scores


def test_equal_settings_and_settings_without_effect_on_scores_are_left_out() -> None:
    first = {"seed": "0", "trainer.epochs": "2", "outputs": "a", "tracking.uri": "x", "split.seed": "0"}
    second = {**first, "seed": "1", "trainer.epochs": "3", "outputs": "b", "tracking.uri": "y"}
    assert differing_parameters([first, second]) == {"trainer.epochs": ["2", "3"]}
    assert set(affecting_scores(first)) == {"seed", "trainer.epochs", "split.seed"}


def test_another_part_is_named_without_its_own_arguments() -> None:
    mlp = {"model._target_": "harness.model.mlp.Mlp", "model.widths": "[8]", "model.dropout": "0.1"}
    wide = {**mlp, "model.widths": "[16]"}
    conv = {"model._target_": "harness.model.convnet.ConvNet", "model.depth": "1", "model.dropout": "0.1"}
    assert differing_parameters([mlp, conv]) == {"model": ["Mlp", "ConvNet"]}
    assert differing_parameters([mlp, wide, conv]) == {
        "model": ["Mlp", "Mlp", "ConvNet"],
        "model.widths": ["[8]", "[16]", "-"],
    }


def test_a_setting_that_one_lacks_is_absent() -> None:
    assert differing_parameters([{"a.b": "1"}, {}]) == {"a.b": ["1", "-"]}


def test_names_grow_until_they_are_unambiguous() -> None:
    keys = ["trainer.optimizer.lr", "trainer.scheduler.final", "pretrain.final", "model.parameters", "model"]
    assert shortest_names(keys, taken={"parameters"}) == {
        "trainer.optimizer.lr": "lr",
        "trainer.scheduler.final": "scheduler.final",
        "pretrain.final": "pretrain.final",
        "model.parameters": "model.parameters",
        "model": "model",
    }


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        (["0.08311303692128176", "0.1"], ["0.08311", "0.1"]),
        (["0.12341", "0.12342"], ["0.12341", "0.12342"]),
        (["0.1234567891234", "0.1234567891235"], ["0.1234567891234", "0.1234567891235"]),
        (["1e-05", "123456", "17920.0"], ["1e-05", "123456", "17920.0"]),
        (["[0.30000000000000004, 8]", "-"], ["[0.3, 8]", "-"]),
        (["model-1.23456789.pt", "Mlp"], ["model-1.23456789.pt", "Mlp"]),
    ],
)
def test_numbers_have_few_digits_and_stay_different(values: list[str], shown: list[str]) -> None:
    assert rounded(values) == shown


def test_keys_that_vary_together_lose_their_column_first() -> None:
    parameters = {
        "model": ["a", "b", "b"],
        "depth": ["1", "2", "2"],
        "lr": ["1", "2", "3"],
        "x": ["1", "1", "2"],
    }
    assert most_telling(parameters, 3) == ["model", "lr", "x"]
    assert most_telling(parameters, 4) == ["model", "depth", "lr", "x"]
    assert most_telling(parameters, 1) == ["model"]
