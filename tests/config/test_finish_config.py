from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hydra.core.hydra_config import HydraConfig

from harness.config.choice_files import choice
from harness.config.compose import compose
from harness.config.finish_config import check_monitor, check_shape, chosen, finish
from harness.core.errors import UserError
from harness.core.table import Table
from harness.prepare.parts import Parts

pytestmark = pytest.mark.slow

TABLES = {
    "multiclass": Table(pd.DataFrame({"a": range(6), "y": list("uvwuvw")}), ("a",), ("y",)),
    "binary": Table(pd.DataFrame({"a": range(6), "y": list("uvuvuv")}), ("a",), ("y",)),
    "regression": Table(pd.DataFrame({"a": range(6), "y": [0.5, 1, 2, 3, 4, 5]}), ("a",), ("y",)),
    "multilabel": Table(
        pd.DataFrame({"a": range(4), "y": [0, 1, 0, 1], "z": [0, 0, 1, 1]}), ("a",), ("y", "z")
    ),
    "none": Table(pd.DataFrame({"a": range(6)}), ("a",)),
}


def finished(kind: str, *words: str) -> tuple[Any, dict[str, str]]:
    return finish(compose(["data/extract=csv", *words]), TABLES[kind])


@pytest.mark.parametrize(
    ("kind", "trainer", "loss", "evaluation", "monitor", "best_by"),
    [
        ("multiclass", "supervised", "cross_entropy", "Classification", "valid/accuracy", "log_loss"),
        ("binary", "supervised", "binary_cross_entropy", "Classification", "valid/accuracy", "log_loss"),
        ("regression", "supervised", "mean_squared_error", "Regression", "valid/rmse", "rmse"),
        (
            "multilabel",
            "supervised",
            "binary_cross_entropy",
            "Multilabel",
            "valid/accuracy",
            "accuracy,log_loss",
        ),
        ("multilabel", "contrastive", None, "Representation", "valid/knn_accuracy", None),
        ("multiclass", "contrastive", None, "Representation", "valid/knn_accuracy", None),
        ("regression", "contrastive", None, "Representation", "valid/knn_r2", None),
        ("none", "contrastive", None, "Representation", "valid/rankme", None),
    ],
)
def test_auto_follows_from_the_target_and_the_trainer(
    kind: str, trainer: str, loss: str | None, evaluation: str, monitor: str, best_by: str | None
) -> None:
    cfg, made = finished(kind, f"trainer={trainer}")
    assert cfg.trainer.get("loss") == (None if loss is None else choice("trainer/loss", loss))
    assert cfg.evaluate._target_.endswith(f".{evaluation}")
    assert cfg.trainer.monitor == monitor
    names = None if best_by is None else [f"valid/{name}" for name in best_by.split(",")]
    assert cfg.trainer.best_by == names
    assert made.get("trainer.best_by") == (names and f"[{','.join(names)}]")
    assert made["evaluate"] == evaluation.lower()
    assert made["trainer.monitor"] == monitor
    assert made.get("trainer.loss") == loss
    assert cfg.name == f"mlp-{'simclr' if trainer == 'contrastive' else 'supervised'}-table"


@pytest.mark.parametrize(
    ("words", "environment", "experiment", "made"),
    [
        ((), {}, "table", {"tracking.experiment": "table"}),
        ((), {"MLFLOW_EXPERIMENT_NAME": "team"}, "team", {"tracking.experiment": "team"}),
        (
            (),
            {"MLFLOW_EXPERIMENT_NAME": "team", "MLFLOW_EXPERIMENT_ID": "7"},
            "MLFLOW_EXPERIMENT_ID=7",
            {"tracking.experiment": "MLFLOW_EXPERIMENT_ID=7"},
        ),
        (("tracking.experiment=mine",), {"MLFLOW_EXPERIMENT_NAME": "team"}, "mine", {}),
        (("tracking=none",), {"MLFLOW_EXPERIMENT_NAME": "team"}, None, {}),
    ],
)
def test_the_experiment_is_that_of_the_environment_or_of_the_data_set(
    words: tuple[str, ...],
    environment: dict[str, str],
    experiment: str | None,
    made: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    cfg, chosen_values = finished("multiclass", *words)
    assert cfg.tracking.get("experiment") == experiment
    assert {key: value for key, value in chosen_values.items() if key.startswith("tracking")} == made


@pytest.mark.parametrize(("words", "name"), [((), "nightly"), (("name=mine",), "mine")])
def test_a_run_without_a_name_takes_that_of_the_environment(
    words: tuple[str, ...], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_RUN_NAME", "nightly")
    assert finished("multiclass", *words)[0].name == name


def test_the_monitor_that_auto_chooses_is_a_score_of_the_evaluation() -> None:
    for kind, trainer in (
        ("multiclass", "supervised"),
        ("regression", "supervised"),
        ("multilabel", "supervised"),
        ("multilabel", "contrastive"),
        ("none", "contrastive"),
    ):
        cfg, _ = finished(kind, f"trainer={trainer}")
        check_monitor(cfg.trainer.monitor, Parts(cfg).evaluate.names)


def test_an_explicit_choice_is_never_altered() -> None:
    words = [
        "trainer.loss={_target_: torch.nn.L1Loss}",
        "evaluate=regression",
        "trainer.epochs=5",
        "trainer.monitor=valid/mae",
        "trainer.best_by=[valid/r2]",
        "tracking.experiment=mine",
        "name=x",
    ]
    cfg, made = finished("regression", *words)
    assert made == {}
    assert (cfg.trainer.loss._target_, cfg.trainer.monitor, cfg.name) == ("torch.nn.L1Loss", "valid/mae", "x")
    assert cfg.tracking.experiment == "mine"


@pytest.mark.parametrize(
    ("words", "best_by"),
    [
        # The epoch of the score that the user names; its equals by the log-loss.
        (["trainer.monitor=valid/auroc"], ["valid/auroc", "valid/log_loss"]),
        (["trainer.monitor=valid/accuracy"], ["valid/accuracy", "valid/log_loss"]),
        (["trainer.monitor=valid/log_loss"], ["valid/log_loss"]),
        # Not studied for few labels.
        (["trainer=semi_supervised"], ["valid/accuracy", "valid/log_loss"]),
        (["trainer.best_by=null"], None),
        (["trainer.best_by=valid/f1"], "valid/f1"),
    ],
)
def test_the_best_epoch_is_that_of_the_log_loss_unless_a_score_is_named(
    words: list[str], best_by: Any
) -> None:
    assert finished("multiclass", *words)[0].trainer.best_by == best_by


def test_the_configuration_that_was_given_is_left_as_it_was() -> None:
    cfg = compose(["data/extract=csv"])
    before = cfg.copy()
    finish(cfg, TABLES["binary"])
    assert cfg == before


@pytest.mark.parametrize("words", [["trainer=supervised"], ["trainer=contrastive", "trainer/method=supcon"]])
def test_a_trainer_that_learns_from_labels_needs_some(words: list[str]) -> None:
    with pytest.raises(
        UserError, match=r"^trainer=\w+ learns from labels here, .*target=COLUMN, or learn without "
    ):
        finished("none", *words)


@pytest.mark.parametrize(
    ("kind", "chosen", "right"),
    [
        ("binary", "regression", "classification"),
        ("multilabel", "classification", "multilabel"),
        ("multilabel", "regression", "multilabel"),
        ("regression", "multilabel", "regression"),
        ("multiclass", "multilabel", "classification"),
    ],
)
def test_an_evaluation_with_nothing_to_score_is_refused(kind: str, chosen: str, right: str) -> None:
    words = rf"^evaluate={chosen} does not fit .* on a target of kind {kind}; use evaluate={right}\.$"
    with pytest.raises(UserError, match=words):
        finished(kind, f"evaluate={chosen}")


def test_rows_of_another_kind_than_the_setting_are_refused() -> None:
    cfg = compose(["data/extract=csv", "data.extract.kind=image", "data.extract.shape=[1,1,1]"])
    with pytest.raises(
        UserError, match=r"^data\.extract\.kind is 'image' and the rows are of kind 'table'; use "
    ):
        finish(cfg, TABLES["binary"])


@pytest.mark.parametrize(
    ("words", "group", "name"),
    [
        ([], "model", "convnet"),
        (["model=resnet50"], "model", "resnet50"),
        (["model=resnet50", "model.stem=small"], "model", "resnet50"),
        (["model=resnet18"], "model", "resnet18"),
        (["trainer=contrastive", "trainer/method=supcon"], "trainer/method", "supcon"),
        (["data/extract=wine"], "data/extract", "wine"),
        (["model=mlp", "~model.widths", "model._target_=torch.nn.Identity"], "model", "identity"),
    ],
)
def test_a_choice_is_named_as_on_the_command_line(
    monkeypatch: pytest.MonkeyPatch, words: list[str], group: str, name: str
) -> None:
    monkeypatch.setattr(HydraConfig.instance(), "cfg", None)
    assert chosen(compose(words), group) == name


def test_a_monitor_is_a_score_of_the_validation_part() -> None:
    check_monitor("valid/rmse", ("rmse", "loss"))
    with pytest.raises(UserError) as caught:
        check_monitor("test/rmse", ("rmse", "loss"))
    assert str(caught.value) == (
        "trainer.monitor must be auto or a score of the validation part, valid/…, got 'test/rmse', so that "
        "no choice rests on test rows; did you mean valid/rmse?"
    )
    with pytest.raises(
        UserError, match=r"^trainer\.monitor=valid/rmsee is no score .*; did you mean valid/rmse\?$"
    ):
        check_monitor("valid/rmsee", ("rmse", "loss"))


def test_a_model_that_cannot_take_the_shape_is_refused_with_those_that_can() -> None:
    cfg = compose(["model=resnet18"])
    check_shape(cfg, (3, 32, 32), TABLES["none"])
    with pytest.raises(UserError) as caught:
        check_shape(cfg, (7,), TABLES["none"])
    assert str(caught.value) == (
        "model=resnet18 takes images, and table gives rows of 7 features; use model=ft_transformer "
        "or model=mlp or model=realmlp or model=tabm or model=transformer."
    )
    with pytest.raises(UserError, match=r"gives sequences of shape \(5, 2\); use .*model=transformer\.$"):
        check_shape(cfg, (5, 2), TABLES["none"])


def test_a_users_model_without_takes_accepts_any_shape() -> None:
    cfg = compose(["model=mlp"])
    cfg.model = {"_target_": "torch.nn.Identity"}
    check_shape(cfg, (3, 2, 1, 1), TABLES["none"])
