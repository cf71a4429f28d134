"""A user's own metric from one line of the command to the epoch table, the results and a sweep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.runs.journal import read
from tests.conftest import RunCli

pytestmark = pytest.mark.slow

MCC = "+evaluate.metrics.mcc._target_=torchmetrics.classification.MulticlassMatthewsCorrCoef"
QUICK = ("data/extract=iris", "trainer.epochs=2", "trainer.device=cpu", "tracking=none", "report=false")
KAPPA = "+evaluate.metrics.kappa._target_=sklearn.metrics.cohen_kappa_score"


def result(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return found


def test_a_metric_is_in_the_epoch_table_the_result_and_the_journal(
    run_cli: RunCli, only_run: Callable[[], Path]
) -> None:
    answer = run_cli(*QUICK, MCC, "trainer.monitor=valid/mcc")
    assert answer.status == 0, answer.err
    assert "valid/mcc" in answer.out
    folder = only_run()
    found = result(folder)
    assert found["objective"]["name"] == "valid/mcc"
    assert found["objective"]["direction"] == "maximize"
    assert {"valid/mcc", "test/mcc"} <= set(found["scores"])
    epochs = [event["values"] for event in read(folder)[0] if event["event"] == "metrics"]
    assert [values["valid/mcc"] for values in epochs if "train/loss" in values and "lr" in values]
    assert OmegaConf.load(folder / "config.yaml").evaluate.metrics.mcc.direction == "maximize"
    compared = run_cli("compare", str(folder), "--by", "mcc")
    assert compared.status == 0
    assert "ranked by test/mcc, higher is better" in compared.out


def test_of_several_folds_a_metric_is_given_per_fold_and_pooled(
    run_cli: RunCli, only_run: Callable[[], Path]
) -> None:
    assert run_cli(*QUICK, "split=kfold", "split.folds=3", KAPPA).status == 0
    kappa = result(only_run())["scores"]["test/kappa"]
    assert len(kappa["folds"]) == 3
    assert kappa["pooled"] is not None


def test_a_metric_may_be_the_objective_of_a_sweep_with_its_own_direction(run_cli: RunCli, here: Path) -> None:
    hinge = "+evaluate.metrics.hinge._target_=torchmetrics.classification.MulticlassHingeLoss"
    answer = run_cli(
        "-m", *QUICK, MCC, hinge, "seed=1,2", "sweep.name=own", "sweep.objectives=[valid/mcc,valid/hinge]"
    )
    assert answer.status == 0, answer.err
    objectives = result(here / "outputs/sweeps/own-0")["objectives"]
    assert [(one["name"], one["direction"]) for one in objectives] == [
        ("valid/mcc", "maximize"),
        ("valid/hinge", "minimize"),
    ]


@pytest.mark.parametrize(
    "words",
    [
        ("data/extract=diabetes", "+evaluate.metrics.own._target_=torchmetrics.MeanSquaredError"),
        ("data/extract=diabetes", "+evaluate.metrics.own._target_=sklearn.metrics.median_absolute_error"),
        ("evaluate=representation", "+evaluate.metrics.own._target_=sklearn.metrics.matthews_corrcoef"),
        ("+evaluate.metrics.own={_target_: sklearn.metrics.fbeta_score, beta: 2, average: macro}",),
    ],
)  # fmt: skip
def test_every_evaluation_takes_metrics(
    run_cli: RunCli, only_run: Callable[[], Path], words: tuple[str, ...]
) -> None:
    answer = run_cli(*QUICK, *words)
    assert answer.status == 0, answer.err
    assert {"valid/own", "test/own"} <= set(result(only_run())["scores"])


OWN = "evaluate.metrics.own"
TARGET = f"+{OWN}._target_=sklearn.metrics"


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ((f"+{OWN}=3",), OWN),
        (("+evaluate.metrics={_target_: sklearn.metrics.f1_score}",), "`# @package evaluate.metrics.NAME`"),
        ((f"+{OWN}._target_=no_such_package.metric",), f"{OWN}._target_=no_such_package.metric"),
        (("+evaluate.metrics.f1._target_=sklearn.metrics.matthews_corrcoef",), "evaluate.metrics.f1"),
        ((f"{TARGET}.matthews_corrcoef", f"+{OWN}.beta=2"), f"{OWN}.beta"),
        ((f"{TARGET}.matthews_corrcoef", f"+{OWN}.direction=up"), f"{OWN}.direction"),
        ((f"{TARGET}.matthews_corrcoef", "trainer.monitor=valid/own"), f"{OWN}.direction"),
        ((f"{TARGET}.confusion_matrix",), OWN),
        ((f"+{OWN}._target_=torchmetrics.classification.MultilabelAccuracy",), OWN),
        ((f"{TARGET}.matthews_corrcoef", "trainer=contrastive"), OWN),
        (("-m", f"{TARGET}.matthews_corrcoef", "sweep.objectives=valid/own"), f"{OWN}.direction"),
    ],
)  # fmt: skip
def test_a_metric_that_cannot_work_is_refused_before_training(
    run_cli: RunCli, here: Path, words: tuple[str, ...], key: str
) -> None:
    answer = run_cli(*words, *QUICK)
    assert answer.status == 2
    assert key in answer.err
    assert not list(here.glob("outputs/runs/*/journal.jsonl"))


def test_a_direction_that_is_given_decides_the_best_epoch(
    run_cli: RunCli, only_run: Callable[[], Path]
) -> None:
    own = "+evaluate.metrics.own._target_=sklearn.metrics.matthews_corrcoef"
    answer = run_cli(*QUICK, own, "+evaluate.metrics.own.direction=minimize", "trainer.monitor=valid/own")
    assert answer.status == 0, answer.err
    folder = only_run()
    found = result(folder)
    assert found["objective"]["direction"] == "minimize"
    epochs = [event["values"] for event in read(folder)[0] if event["event"] == "metrics"]
    assert found["objective"]["value"] == min(values["valid/own"] for values in epochs if "lr" in values)
