"""Only what differs and bears on the scores is shown, under the shortest name."""

from __future__ import annotations

from harness.compare.parameter_differences import differing_parameters, shortest_names
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
