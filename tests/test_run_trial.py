from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from harness.config.compose import compose
from harness.core.errors import Interrupted, Pruned, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.run import run
from harness.runs.journal import Event, read
from harness.runs.run_result import Result
from harness.runs.trial import Trial

pytestmark = pytest.mark.slow

FAST = ["data/extract=iris", "model.widths=[8]", "trainer.epochs=3", "trainer.device=cpu", "tracking=none"]
FOLDS = ["split=stratified_kfold", "split.folds=3"]
TRIAL = Trial(4, tags={"sweep": "a-1", "trial": 4})


class Watcher:
    """A consumer that records its calls, and prunes at a given fold."""

    def __init__(self, epoch: tuple[int, int] | None = None, fold: int | None = None) -> None:
        self.calls: list[tuple[str, int]] = []
        self.scores: dict[int, Mapping[str, float]] = {}
        self._epoch, self._fold = epoch, fold

    def __call__(self, fold: Fold, progress: Progress) -> None:
        self.calls.append(("epoch", progress.epoch))
        if (fold.number, progress.epoch) == self._epoch:
            raise Pruned(f"epoch {progress.epoch} is enough")

    def fold_done(self, fold: Fold, scores: Mapping[str, float]) -> None:
        self.calls.append(("fold", fold.number))
        self.scores[fold.number] = dict(scores)
        if fold.number == self._fold:
            raise Pruned(f"fold {fold.number} is enough")


def of(folder: Path, event: str, run: str = "") -> list[Event]:
    return [entry for entry in read(folder)[0] if entry["event"] == event and entry["run"] == run]


def test_a_trial_prints_nothing_and_has_no_test_scores_and_no_pictures(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    result = run(compose(FAST), tmp_path, trial=TRIAL)
    assert capfd.readouterr() == ("", "")
    assert result.status == "finished"
    assert "valid/accuracy" in result.scores
    assert not any(name.startswith("test/") for name in result.scores)
    left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert not [name for name in left if name.endswith(".svg")]
    assert "predictions.csv" not in left
    assert {"result.json", "config.yaml", "journal.jsonl", "model/weights.safetensors"} <= left
    assert "done/fold-0000.ckpt" in left or any(name.startswith("done/") for name in left)


def test_a_tested_trial_has_the_files_of_any_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(compose(FAST), tmp_path / "trial", trial=Trial(4, tests=True))
    assert capfd.readouterr() == ("", "")
    run(compose(FAST), tmp_path / "run")
    left = [
        {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*")}
        for name in ("trial", "run")
    ]
    # A trial of a tenth of a second writes no checkpoint.
    left = [{name for name in own if not name.startswith("checkpoints")} for own in left]
    assert left[0] - {"run.log"} == left[1] - {"run.log"}
    results = [Result.read(tmp_path / name / "result.json").scores for name in ("trial", "run")]
    for result in results:
        assert result.pop("time/training_seconds")["mean"] >= result.pop("time/epoch_seconds")["mean"]
    assert results[0] == results[1]


def test_its_run_hangs_below_the_sweep_and_is_tagged_with_it(tmp_path: Path) -> None:
    run(compose([*FAST, "+tags.idea=wide"]), tmp_path / "one", trial=TRIAL)
    (start,) = of(tmp_path / "one", "start")
    assert start["parent"] == ".."
    assert {"sweep": "a-1", "trial": "4", "idea": "wide", "seed": "0"}.items() <= start["tags"].items()
    run(compose(FAST), tmp_path / "two", trial=Trial(4, parent="../../sweep"))
    assert of(tmp_path / "two", "start")[0]["parent"] == "../../sweep"


def test_warnings_are_in_the_log_of_a_trial(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run(compose([*FAST, "split.valid=0"]), tmp_path, trial=TRIAL)
    assert "no validation rows (split.valid=0)" in (tmp_path / "run.log").read_text()
    assert capfd.readouterr() == ("", "")


def test_a_consumer_gets_each_fold_before_the_next_begins(tmp_path: Path) -> None:
    watcher = Watcher()
    result = run(compose([*FAST, *FOLDS, "trainer.epochs=2"]), tmp_path, [watcher], trial=TRIAL)
    assert watcher.calls == [
        entry for fold in range(3) for entry in (("epoch", 1), ("epoch", 2), ("fold", fold))
    ]
    scores = [watcher.scores[fold]["valid/accuracy"] for fold in range(3)]
    assert scores == result.scores["valid/accuracy"]["folds"]


def test_a_trial_pruned_within_a_fold_is_recorded_as_pruned(tmp_path: Path) -> None:
    with pytest.raises(Pruned, match="epoch 2 is enough"):
        run(compose(FAST), tmp_path, [Watcher(epoch=(0, 2))], command="python -m harness", trial=TRIAL)
    result = Result.read(tmp_path / "result.json")
    assert (result.status, result.error) == ("pruned", "Pruned: epoch 2 is enough")
    (end,) = of(tmp_path, "end")
    assert (end["status"], end["error"]) == ("pruned", "Pruned: epoch 2 is enough")
    assert [event["step"] for event in of(tmp_path, "metrics")] == [1, 2]
    assert not (tmp_path / "checkpoints").exists()
    assert "Traceback" not in (tmp_path / "run.log").read_text()


def test_a_trial_pruned_between_folds_keeps_the_scores_of_the_finished_ones(tmp_path: Path) -> None:
    with pytest.raises(Pruned, match="fold 1 is enough"):
        run(compose([*FAST, *FOLDS]), tmp_path, [Watcher(fold=1)], trial=TRIAL)
    result = Result.read(tmp_path / "result.json")
    assert result.status == "pruned"
    assert len(result.scores["valid/accuracy"]["folds"]) == 2
    assert len(pd.read_csv(tmp_path / "folds.csv")) == 2
    assert of(tmp_path, "end", "fold-1")[0]["status"] == "finished"
    assert not of(tmp_path, "start", "fold-2")
    assert len(list((tmp_path / "done").iterdir())) >= 2


def test_a_fold_in_which_a_trial_is_pruned_is_pruned_too(tmp_path: Path) -> None:
    with pytest.raises(Pruned):
        run(compose([*FAST, *FOLDS]), tmp_path, [Watcher(epoch=(1, 2))], trial=TRIAL)
    assert of(tmp_path, "end", "fold-0")[0]["status"] == "finished"
    assert of(tmp_path, "end", "fold-1")[0]["status"] == "pruned"
    assert not (tmp_path / "fold-1" / "checkpoints").exists()


def test_a_pruned_trial_is_not_resumed(tmp_path: Path) -> None:
    with pytest.raises(Pruned):
        run(compose(FAST), tmp_path / "run", [Watcher(epoch=(0, 1))], trial=TRIAL)
    with pytest.raises(UserError, match="that run was pruned; leave resume out to run it anew"):
        run(compose([*FAST, f"resume={tmp_path}/run"]), tmp_path / "other", trial=TRIAL)


def test_a_resumed_trial_reports_the_finished_folds_to_its_consumer(tmp_path: Path) -> None:
    words = [*FAST, *FOLDS]
    alone = run(compose(words), tmp_path / "alone", trial=TRIAL)

    def stop(fold: Fold, progress: Progress) -> None:
        if (fold.number, progress.epoch) == (1, 2):
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(compose(words), tmp_path / "run", [stop], trial=TRIAL)
    assert (tmp_path / "run" / "fold-1" / "checkpoints").exists()
    watcher = Watcher()
    result = run(compose([*words, f"resume={tmp_path}/run"]), tmp_path / "run", [watcher], trial=TRIAL)
    assert watcher.calls[:2] == [("fold", 0), ("epoch", 3)]
    assert watcher.scores[0]["valid/accuracy"] == alone.scores["valid/accuracy"]["folds"][0]
    for name in ("valid/accuracy", "valid/log_loss", "train/loss"):
        assert result.scores[name] == alone.scores[name]


def test_a_steady_score_is_that_of_the_curve_also_after_a_stop(tmp_path: Path) -> None:
    words = [*FAST, "data/extract=diabetes", "trainer.epochs=12"]
    trial = replace(TRIAL, follows=frozenset({"valid/rmse_steady"}))
    alone = run(compose(words), tmp_path / "alone", trial=trial)
    curve = [event["values"] for event in of(tmp_path / "alone", "metrics") if "lr" in event["values"]]
    best = int(alone.scores["train/best_epoch"]["folds"][0])
    near = [values["valid/rmse"] for values in curve[max(0, best - 2) : best + 1]]
    value = alone.scores["valid/rmse_steady"]["folds"][0]
    assert value == pytest.approx(sum(near) / len(near), rel=1e-12)
    assert value > alone.scores["valid/rmse"]["folds"][0]

    def stop(fold: Fold, progress: Progress) -> None:
        if progress.epoch == 11:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(compose(words), tmp_path / "run", [stop], trial=trial)
    result = run(compose([*words, f"resume={tmp_path}/run"]), tmp_path / "run", trial=trial)
    assert result.scores["valid/rmse_steady"] == alone.scores["valid/rmse_steady"]


def test_a_trial_does_not_wait_for_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Deaf:
        """A process that feeds MLflow, and has not come to this run yet."""

        fate = None

        def __init__(self, outputs: Path) -> None:
            self.orders: list[dict[str, str]] = []

        def send(self, order: dict[str, str]) -> bool:
            self.orders.append(order)
            return True

    uploader = Deaf(tmp_path)
    monkeypatch.setattr("harness.tracking.mlflow._uploader", uploader)
    words = [word for word in FAST if word != "tracking=none"]
    place = [f"outputs={tmp_path}/out", "tracking.patience=3600"]
    result = run(compose([*words, *place]), tmp_path / "run", trial=TRIAL)
    assert [sorted(order)[1] for order in uploader.orders] == ["follow"]
    assert result.mlflow is not None
    assert result.mlflow["run_id"] is None
