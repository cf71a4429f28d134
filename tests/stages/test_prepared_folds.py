"""harness/stages/prepared_folds.py: which runs have their baselines fitted by another process"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.core.baseline_names import FITTED
from harness.core.task import Task
from harness.evaluate.baseline_fits import Fit
from harness.evaluate.baseline_process import BaselineProcess, PendingFits
from harness.stages import fold_baselines, prepared_folds
from harness.stages.prepared_folds import _pays

QUICK = ("data/extract=iris", "split=kfold", "trainer.epochs=1", "tracking=none", "report=false")
FIVE = (*QUICK, "split.folds=5")

Scores = dict[str, Any]

pytestmark = pytest.mark.usefixtures("fitted_baselines")


class Watched(BaselineProcess):
    """Never takes back what it has, so that each result is its own."""

    made: list[Watched]

    def __init__(self) -> None:
        super().__init__()
        self.begun_with = self.pid
        Watched.made.append(self)

    def take_back(self, pending: PendingFits) -> bool:
        return False


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Watched]]:
    """An idle core, and the processes that runs have."""
    Watched.made = []
    monkeypatch.setattr(prepared_folds, "has_idle_core", lambda _: True)
    monkeypatch.setattr(prepared_folds, "BaselineProcess", Watched)
    yield Watched
    for each in Watched.made:  # closed by the run, also where it failed
        assert each.pid is None
        assert each.begun_with is not None
        with pytest.raises(ChildProcessError):  # no zombie
            os.waitpid(each.begun_with, os.WNOHANG)


def refuse(fit: Fit) -> Any:
    raise AssertionError(f"{fit.name} was fitted by the run itself")


def scores(folder: Path) -> Scores:
    found = json.loads((folder / "result.json").read_text())["scores"]
    return {name: value for name, value in found.items() if not name.startswith("time/")}


@pytest.fixture
def expected(run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch) -> Scores:
    """The scores without an idle core."""
    with monkeypatch.context() as patched:
        patched.setattr(prepared_folds, "has_idle_core", lambda _: False)
        assert run_cli(*FIVE, "hydra.run.dir=alone").status == 0
    found = scores(here / "alone")
    assert found["test/accuracy_baseline_boosting"]["mean"] > 0.85
    assert len(found["test/accuracy_baseline_linear"]["folds"]) == 5
    return found


@pytest.mark.slow
def test_scores_are_those_of_a_run_that_fits_them_itself(
    run_cli: Any,
    here: Path,
    process: type[Watched],
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(fold_baselines, "predicted", refuse)
    for folder, more in (("together", ("fuse=5",)), ("each", ("fuse=off",))):
        answer = run_cli(*FIVE, *more, f"hydra.run.dir={folder}")
        assert answer.status == 0, answer.err
        assert answer.out.count("could not be fitted") == 0
        baselines = {name: value for name, value in scores(here / folder).items() if "_baseline_" in name}
        for name, value in baselines.items():  # the difference from the network follows the kind of training
            assert value["folds"] == expected[name]["folds"]
    assert len(process.made) == 2
    assert scores(here / "each")["test/log_loss_baseline_linear"].keys() >= {"difference"}


@pytest.mark.slow
def test_a_process_that_is_killed_changes_nothing(
    run_cli: Any,
    here: Path,
    process: type[Watched],
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    submit = BaselineProcess.submit

    def then_killed(self: BaselineProcess, fits: Sequence[Fit]) -> PendingFits | None:
        pending = submit(self, fits)
        if self.pid is not None:
            os.kill(self.pid, signal.SIGKILL)
        return pending

    monkeypatch.setattr(process, "submit", then_killed)
    answer = run_cli(*FIVE, "hydra.run.dir=lost")
    assert answer.status == 0, answer.err
    assert scores(here / "lost") == expected
    assert "baseline boosting" not in answer.out + answer.err


@pytest.mark.slow
def test_a_baseline_that_fails_there_is_fitted_by_the_run_which_says_why_it_fails(
    run_cli: Any,
    here: Path,
    process: type[Watched],
    expected: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fit_of, own = prepared_folds.fit_of, fold_baselines.predicted
    asked: list[str] = []

    def broken(name: str, *given: Any) -> Fit:
        fit = fit_of(name, *given)
        return fit._replace(train=fit.train._replace(targets=None)) if name == "boosting" else fit  # type: ignore[arg-type]

    def counted(fit: Fit) -> Any:
        asked.append(fit.name)
        if len(asked) == 1:
            raise ValueError("no such thing")
        return own(fit)

    monkeypatch.setattr(prepared_folds, "fit_of", broken)
    monkeypatch.setattr(fold_baselines, "predicted", counted)
    answer = run_cli(*FIVE, "hydra.run.dir=failed")
    assert answer.status == 0, answer.err
    assert asked == ["boosting"] * 5
    assert answer.out.count("the baseline boosting could not be fitted: ValueError: no such thing") == 1
    found = scores(here / "failed")
    assert found["test/accuracy_baseline_linear"] == expected["test/accuracy_baseline_linear"]


@pytest.mark.slow
def test_a_run_that_fails_ends_it(run_cli: Any, here: Path, process: type[Watched]) -> None:
    answer = run_cli(*FIVE, "trainer.optimizer.lr=1e30", "trainer.epochs=3", "hydra.run.dir=diverged")
    assert answer.status == 1
    assert "the training loss became nan" in answer.err
    assert len(process.made) == 1


@pytest.mark.parametrize(
    ("words", "idle"),
    [
        (("split.folds=4",), True),
        (("split.folds=5",), False),
        (("split.folds=5", "baseline=off"), True),
        (("split.folds=5", "debug=anomaly"), True),
    ],
)
def test_other_runs_have_none(
    run_cli: Any, here: Path, process: type[Watched], monkeypatch: pytest.MonkeyPatch, words: Any, idle: bool
) -> None:
    monkeypatch.setattr(prepared_folds, "has_idle_core", lambda _: idle)
    assert run_cli(*QUICK, *words).status == 0
    assert not process.made


TWO, THREE = Task("binary", ("a", "b")), Task("multiclass", ("a", "b", "c"))


@pytest.mark.parametrize(
    ("rows", "folds", "task", "expected"),
    [
        (100, 4, TWO, False),
        (100, 5, TWO, True),
        (74_999, 1, TWO, False),
        (75_000, 1, TWO, True),
        (37_500, 2, TWO, True),
        (24_999, 1, THREE, False),
        (25_000, 1, THREE, True),
        (74_999, 1, Task("regression"), False),
        (37_500, 1, Task("regression", columns=("y", "z")), True),
        (75_000, 0, TWO, False),
    ],
)
def test_the_rule_is_of_folds_and_numbers(
    monkeypatch: pytest.MonkeyPatch, rows: int, folds: int, task: Task, expected: bool
) -> None:
    loaders = SimpleNamespace(shape=(4,), codes=(), train=SimpleNamespace(rows=range(rows)), task=task)
    first: Any = SimpleNamespace(cfg={}, loaders=loaders)
    monkeypatch.setattr(prepared_folds, "wanted_baselines", lambda *_: fold_baselines.Wanted(FITTED))
    assert _pays(first, folds) == expected
    monkeypatch.setattr(prepared_folds, "wanted_baselines", lambda *_: fold_baselines.Wanted(("linear",)))
    assert not _pays(first, folds)
