"""Folds that are trained together: records, scores and files are those of folds that are trained alone."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from harness.runs.journal import read
from harness.runtime.stop_signals import Stop

RunCli = Callable[..., Any]

SMALL = ["data/extract=iris", "split=kfold", "split.folds=3", "trainer.epochs=3", "trainer.device=cpu"]
TYPED = [
    *SMALL,
    "tracking=none",
    "split.guard=off",
    "report=false",
    "baseline=off",
    "data.cache=off",
    "model.widths=[16]",
]


CONTRASTIVE = [
    "trainer=contrastive",
    "trainer/method=byol",
    "trainer.method.projection=[8]",
    "trainer.method.prediction=[8]",
    "trainer.probe=true",
]
AUGMENTED = ["data/augment=tabular"]


@pytest.fixture
def trained(run_cli: RunCli, here: Path) -> Callable[..., Path]:
    """Runs the command with more words; the folder of the run."""

    def run(*words: str, fuse: str = "8", status: int = 0) -> Path:
        before = set((here / "outputs" / "runs").glob("*"))
        answer = run_cli(*TYPED, f"fuse={fuse}", *words)
        assert answer.status == status, answer.err
        (folder,) = set((here / "outputs" / "runs").glob("*")) - before
        return folder

    return run


def result(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return content


def scores(folder: Path) -> dict[str, Any]:
    return {name: score for name, score in result(folder)["scores"].items() if not name.startswith("time/")}


def config(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "config.yaml").read_text())
    return content


def epochs(folder: Path) -> Counter[tuple[str, int]]:
    """How often the journal has each epoch of each fold."""
    events = [event for event in read(folder)[0] if event["event"] == "metrics"]
    return Counter(
        (e["run"], e["step"]) for e in events if "train/loss" in e["values"] and "lr" in e["values"]
    )


def test_folds_that_are_trained_together_give_the_scores_of_folds_alone(trained: Callable[..., Path]) -> None:
    fused, alone = trained(), trained(fuse="off")
    assert (config(fused)["fuse"], config(alone)["fuse"]) == (8, "off")
    assert scores(fused).keys() == scores(alone).keys()
    for name, score in scores(fused).items():
        assert score["folds"] == pytest.approx(scores(alone)[name]["folds"], rel=1e-3, abs=1e-3), name
    assert epochs(fused) == epochs(alone) == {(f"fold-{n}", e): 1 for n in range(3) for e in (1, 2, 3)}
    ended = [e for e in read(fused)[0] if e["event"] == "end"]
    assert [(e["run"], e["status"]) for e in ended] == [
        *((f"fold-{number}", "finished") for number in range(3)),
        ("", "finished"),
    ]
    files = [
        {path.relative_to(run).as_posix() for path in run.rglob("*") if "checkpoints" not in path.parts}
        for run in (fused, alone)
    ]
    assert files[0] == files[1]


@pytest.mark.parametrize("words", [[], CONTRASTIVE, AUGMENTED], ids=["plain", "contrastive", "augmented"])
def test_a_fold_does_not_depend_on_how_many_are_trained_with_it(
    trained: Callable[..., Path], words: list[str]
) -> None:
    whole, pairs = trained(*words), trained(*words, fuse="2")
    single = trained(*words, "split.fold=1", fuse="1")
    assert scores(pairs) == scores(whole)
    if words is not CONTRASTIVE:
        assert pd.read_csv(pairs / "predictions.csv").equals(pd.read_csv(whole / "predictions.csv"))
    assert all(
        path.read_bytes() == (pairs / path.relative_to(whole)).read_bytes()
        for path in whole.glob("fold-*/model/*.safetensors")
    )
    for name, score in scores(single).items():
        if name in scores(whole) and score["folds"]:
            assert score["folds"] == [scores(whole)[name]["folds"][1]], name


def test_a_fused_run_is_run_again_to_the_last_bit(
    trained: Callable[..., Path], run_cli: RunCli, here: Path
) -> None:
    first = trained()
    answer = run_cli("rerun", str(first))
    assert answer.status == 0, answer.err
    (second,) = set((here / "outputs" / "runs").glob("*")) - {first}
    assert scores(second) == scores(first)
    assert config(second)["fuse"] == 8


class StopAt(Stop):
    """As if SIGINT had come in one of the steps."""

    at = 0

    def __call__(self) -> bool:
        StopAt.at -= 1
        if StopAt.at == 0:
            self.signum = signal.SIGINT
        return super().__call__()


@pytest.mark.parametrize(("step", "words"), [(2, []), (5, []), (5, CONTRASTIVE)])
def test_a_stopped_run_goes_on_with_all_folds_to_the_last_bit(
    trained: Callable[..., Path],
    run_cli: RunCli,
    monkeypatch: pytest.MonkeyPatch,
    step: int,
    words: list[str],
) -> None:
    whole = trained(*words, "checkpoint.share=1")
    StopAt.at = step
    with monkeypatch.context() as patch:
        patch.setattr(import_module("harness.run"), "Stop", StopAt)
        stopped = trained(*words, "checkpoint.share=1", status=130)
    assert result(stopped)["status"] == "interrupted"
    assert len(list(stopped.glob("fold-*/checkpoints/*.safetensors"))) >= 3
    assert run_cli(*TYPED, *words, "fuse=8", "checkpoint.share=1", f"resume={stopped}").status == 0
    assert scores(stopped) == scores(whole)
    assert epochs(stopped) == epochs(whole)


def test_a_fold_that_diverges_fails_the_run_as_it_would_alone(trained: Callable[..., Path]) -> None:
    words = ["trainer.optimizer.lr=1e30", "trainer/scheduler=none"]
    fused, alone = trained(*words, status=1), trained(*words, fuse="off", status=1)
    assert result(fused)["error"] == result(alone)["error"]
    assert result(fused)["status"] == result(alone)["status"] == "failed"


@pytest.mark.parametrize("value", ["0", "-1", "abc", "1.5", "true"])
def test_a_number_of_folds_below_one_is_refused(run_cli: RunCli, here: Path, value: str) -> None:
    answer = run_cli(*TYPED, f"fuse={value}")
    assert answer.status == 2
    assert "fuse" in answer.err
    assert not (here / "outputs" / "runs").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["trainer/optimizer=rmsprop"], "RMSprop"),
        (["trainer.update.accumulate=2"], "accumulate"),
        (["trainer/mix=mixup"], "mix"),
        (["trainer=contrastive", "trainer/method=moco", "data.load.batch_size=16"], "Moco"),
    ],
)
def test_what_cannot_be_fused_is_trained_alone_and_named(
    run_cli: RunCli, words: list[str], reason: str
) -> None:
    answer = run_cli(*TYPED, "fuse=8", *words)
    assert answer.status == 0, answer.err
    (line,) = [line for line in answer.out.splitlines() if line.startswith("fuse ")]
    assert "each fold alone" in line
    assert reason in line


@pytest.mark.parametrize(
    ("folds", "fuse", "line"), [(3, "off", "each fold alone"), (10, 10, "10 folds as one")]
)
def test_auto_fuses_where_it_is_faster_and_stores_its_choice(
    run_cli: RunCli, only_run: Callable[[], Path], folds: int, fuse: int | str, line: str
) -> None:
    words = [word for word in TYPED if "folds" not in word and "epochs" not in word]
    answer = run_cli(*words, f"split.folds={folds}", "trainer.epochs=1")
    assert answer.status == 0, answer.err
    assert line in answer.out
    assert config(only_run())["fuse"] == fuse
    assert read(only_run())[0][0]["params"]["fuse"] == str(fuse)


def test_one_fold_has_no_line_and_is_trained_as_ever(run_cli: RunCli, only_run: Callable[[], Path]) -> None:
    answer = run_cli("data/extract=iris", "trainer.epochs=1", "tracking=none", "split.guard=off")
    assert not [line for line in answer.out.splitlines() if line.startswith("fuse ")]
    assert config(only_run())["fuse"] == "off"
