from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from omegaconf import DictConfig

from harness.config.compose import compose
from harness.core.errors import Interrupted, UserError
from harness.core.fold import Fold
from harness.core.progress import Progress
from harness.run import run
from harness.runs.journal import Journal, read
from harness.runs.run_result import Result
from harness.runs.trial import Trial
from harness.runtime.distributed import join_group
from harness.runtime.process_group import rank
from harness.stages.deferred_test import run_deferred_test

pytestmark = pytest.mark.slow

QUICK = ["trainer.epochs=2", "trainer.device=cpu", "tracking=none", "data.cache=off"]
IRIS = [*QUICK, "data/extract=iris", "model.widths=[8]"]
SMALL = ["model=mlp", "model.widths=[8]"]
MANY = ["split=stratified_kfold", "split.folds=12", "trainer.epochs=1", "split.guard=off"]

WAYS = {
    "averaged": [*IRIS, "trainer/update=averaged"],
    "folds": [*IRIS, "split=stratified_kfold", "split.folds=3"],
    "ensembles": [*IRIS, "split=stratified_kfold", "split.folds=2", "split.ensemble=2"],
    "regression": [*QUICK, "data/extract=diabetes", "model.widths=[8]"],
    "contrastive": [*QUICK, "trainer=contrastive", *SMALL, "data/extract=iris"],
    "semi-supervised": [*QUICK, "trainer=semi_supervised", *SMALL, "split.labelled=60", "data/extract=iris"],
    "batch norm": [*QUICK, "data/extract=digits", "model=convnet", "trainer.epochs=1"],
    "pre-trained": [
        *IRIS,
        "pretrain.words='trainer=contrastive trainer.epochs=1'",
        "pretrain.scratch=true",
    ],
}

TRIAL = Trial(7, tags={"sweep": "a-1"})


def deferred(cfg: DictConfig, folder: Path) -> Result:
    return run(cfg, folder, trial=TRIAL)


def scores(result: Result) -> dict[str, object]:
    """Without what a clock says."""
    return {name: score for name, score in result.scores.items() if not name.startswith("time/")}


@pytest.mark.parametrize("way", WAYS)
def test_a_run_that_is_tested_later_has_the_scores_of_a_run_tested_at_once(way: str, tmp_path: Path) -> None:
    whole = run(compose(WAYS[way]), tmp_path / "whole")
    before = deferred(compose(WAYS[way]), tmp_path / "trial")
    assert not any(name.startswith("test/") for name in before.scores)
    assert not (tmp_path / "trial" / "predictions.csv").exists()

    after = run_deferred_test(compose(WAYS[way]), tmp_path / "trial", "", TRIAL)

    assert any(name.startswith("test/") for name in after.scores)
    assert scores(after) == scores(whole)
    assert scores(Result.read(tmp_path / "trial" / "result.json")) == scores(
        Result.read(tmp_path / "whole" / "result.json")
    )
    if (tmp_path / "whole" / "predictions.csv").exists():
        texts = [(tmp_path / name / "predictions.csv").read_text() for name in ("trial", "whole")]
        assert texts[0] == texts[1]
    files = [
        {str(path.relative_to(tmp_path / name)) for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("trial", "whole")
    ]
    # A trial of a tenth of a second writes no checkpoint.
    files = [{name for name in own if "checkpoints/" not in name} for own in files]
    assert files[0] - {"run.log"} == files[1] - {"run.log"}


def test_the_journal_continues_the_same_run_and_no_point_is_written_twice(tmp_path: Path) -> None:
    words = WAYS["folds"]
    deferred(compose(words), tmp_path)
    run_deferred_test(compose(words), tmp_path, "", TRIAL)
    events, _ = read(tmp_path)
    own = [event for event in events if event["run"] == ""]
    assert [event["event"] for event in own if event["event"] in ("start", "end")] == ["start", "end"] * 2
    assert {event["parent"] for event in own if event["event"] == "start"} == {".."}
    assert own[-1]["status"] == "finished"
    points = [
        (event["run"], event["step"], name)
        for event in events
        if event["event"] == "metrics" and "lr" not in event["values"]
        for name in event["values"]
    ]
    assert len(points) == len(set(points))
    assert ("fold-2", 3, "test/accuracy") in points  # after the two epochs
    assert ("", 0, "test/accuracy_pooled") in points
    models = [event["run"] for event in events if event["event"] == "model"]
    assert models == ["fold-0", "fold-1", "fold-2"]


def test_of_more_than_ten_folds_all_models_stay_until_the_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.record.plots.curves", lambda history, path, *rest: path.touch())
    cfg = compose([*IRIS, *MANY])
    deferred(cfg, tmp_path)
    assert len(list(tmp_path.glob("fold-*/model/bundle.json"))) == 12
    result = run_deferred_test(cfg, tmp_path, "", TRIAL)
    assert len(result.scores["test/accuracy"]["folds"]) == 12
    assert {path.parent.name for path in tmp_path.glob("fold-*/model")} == {f"fold-{k}" for k in range(10)}
    rows = pd.read_csv(tmp_path / "predictions.csv")
    assert rows.row.tolist() == list(range(150))


def test_more_folds_than_mlflow_shows_are_points_of_the_run(tmp_path: Path) -> None:
    cfg = compose([*IRIS, *MANY, "split.folds=21"])
    deferred(cfg, tmp_path)
    result = run_deferred_test(cfg, tmp_path, "", TRIAL)
    points = {
        event["step"]: event["values"]["fold/test/accuracy"]
        for event in read(tmp_path)[0]
        if event["event"] == "metrics" and "fold/test/accuracy" in event["values"]
    }
    assert [points[fold] for fold in range(21)] == result.scores["test/accuracy"]["folds"]
    assert len(list(tmp_path.glob("fold-*"))) == 10


def test_a_size_of_batches_that_was_found_is_not_looked_for_again(tmp_path: Path) -> None:
    cfg = compose([*IRIS, "data.load.batch_size=auto"])
    deferred(cfg, tmp_path)
    size = read(tmp_path)[0][0]["params"]["data.load.batch_size"]
    run_deferred_test(cfg, tmp_path, "", TRIAL)
    starts = [event for event in read(tmp_path)[0] if event["event"] == "start"]
    assert [event["params"]["data.load.batch_size"] for event in starts] == [size, size]
    assert starts[1]["tags"]["auto.data.load.batch_size"] == size


def test_a_second_examination_gives_the_same_and_writes_nothing(tmp_path: Path) -> None:
    deferred(compose(IRIS), tmp_path)
    first = run_deferred_test(compose(IRIS), tmp_path, "", TRIAL)
    events, _ = read(tmp_path)
    second = run_deferred_test(compose(IRIS), tmp_path, "", TRIAL)
    assert scores(second) == scores(Result.read(tmp_path / "result.json")) == scores(first)
    assert read(tmp_path)[0] == events


def test_a_split_without_test_rows_leaves_nothing_to_test(tmp_path: Path) -> None:
    cfg = compose([*IRIS, "split.test=0"])
    before = deferred(cfg, tmp_path)
    assert scores(run_deferred_test(cfg, tmp_path, "", TRIAL)) == scores(before)
    assert not (tmp_path / "done").exists()
    assert scores(run_deferred_test(cfg, tmp_path, "", TRIAL)) == scores(before)


def test_an_examination_that_fails_leaves_the_run_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness.stages.deferred_test

    deferred(compose(IRIS), tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}

    def fail(*arguments: object, **named: object) -> None:
        raise RuntimeError("no memory left")

    with monkeypatch.context() as patched:
        patched.setattr(harness.stages.deferred_test, "score_fold", fail)
        with pytest.raises(RuntimeError, match="no memory left"):
            run_deferred_test(compose(IRIS), tmp_path, "", TRIAL)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert "test/accuracy" in run_deferred_test(compose(IRIS), tmp_path, "", TRIAL).scores


@pytest.mark.parametrize("trial", [Trial(7, tests=True), None])
def test_a_stopped_trial_that_resumes_with_its_test_is_tested_in_all_folds(
    trial: Trial | None, tmp_path: Path
) -> None:
    words = WAYS["folds"]

    def stop(fold: Fold, progress: Progress) -> None:
        if (fold.number, progress.epoch) == (1, 1):
            signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(compose(words), tmp_path, [stop], trial=TRIAL)
    result = run(compose([*words, f"resume={tmp_path}"]), tmp_path, trial=trial)
    assert len(result.scores["test/accuracy"]["folds"]) == 3
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == 150
    assert not (tmp_path / "done").exists()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished") / "run"
    deferred(compose(IRIS), folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return shutil.copytree(finished, tmp_path / "run")


def refusal(folder: Path, *words: str) -> str:
    with pytest.raises(UserError) as refused:
        run_deferred_test(compose([*IRIS, *words]), folder, "", TRIAL)
    return str(refused.value)


def test_there_is_no_run(tmp_path: Path) -> None:
    sentence = refusal(tmp_path)
    assert sentence == (
        f"{tmp_path} cannot be tested: there is no run in it; name the folder of a finished run."
    )


def test_of_several_processes_only_the_first_has_the_folder(folder: Path, processes: Any) -> None:
    def tested() -> Result:
        join_group()
        place = folder if rank() == 0 else folder.parent / "elsewhere"
        return run_deferred_test(compose(IRIS), place, "", TRIAL)

    alone = run_deferred_test(compose(IRIS), shutil.copytree(folder, folder.parent / "alone"), "", TRIAL)
    for _ in range(2):  # the second reads what the first has written
        first, second = (ended.value for ended in processes(tested))
        assert isinstance(first, Result), first
        assert isinstance(second, Result), second
        assert first.scores["test/accuracy"] == alone.scores["test/accuracy"]
        assert second.scores["test/accuracy"] == alone.scores["test/accuracy"]


def test_a_refusal_is_raised_in_all_processes(folder: Path, processes: Any) -> None:
    def tested() -> str:
        join_group()
        return refusal(folder if rank() == 0 else folder.parent / "elsewhere", "seed=1")

    sentences = {ended.value for ended in processes(tested)}
    assert len(sentences) == 1
    assert "it was trained with other settings (seed 0 -> 1)" in sentences.pop()


def test_it_is_still_running(folder: Path) -> None:
    journal = Journal(folder)
    assert journal.claim()
    assert "cannot be tested: it is still running; name the folder of a finished" in refusal(folder)
    journal.close()


def test_its_model_is_missing(folder: Path) -> None:
    shutil.rmtree(folder / "model")
    sentence = refusal(folder)
    assert sentence == (
        f"{folder} cannot be tested: its model {folder}/model is missing; run its command again in a new "
        "folder."
    )


def test_a_fold_is_not_trained(tmp_path: Path) -> None:
    def stop(fold: Fold, progress: Progress) -> None:
        signal.raise_signal(signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(compose(IRIS), tmp_path / "run", [stop], trial=TRIAL)
    sentence = refusal(tmp_path / "run")
    assert f"fold 0 of 1 is not trained; resume the run first: resume={tmp_path}/run." in sentence


def test_the_scores_of_a_fold_are_missing(folder: Path) -> None:
    shutil.rmtree(folder / "done")
    sentence = refusal(folder)
    assert sentence == (
        f"{folder} cannot be tested: the stored scores of fold 0 of 1 are missing, or the run was pruned; "
        "run its command again in a new folder."
    )


def test_its_settings_are_others(folder: Path) -> None:
    assert "it was trained with other settings (seed 0 -> 1); revert the changes." in refusal(
        folder, "seed=1"
    )


def test_the_extraction_of_an_earlier_version_is_named(tmp_path: Path) -> None:
    days = pd.date_range("2026-01-01", periods=60).strftime("%Y-%m-%d")
    pd.DataFrame({"day": days, "y": ["p", "q"] * 30}).to_csv(tmp_path / "rows.csv", index=False)
    words = [*QUICK, *SMALL, "data/extract=csv", f"data.extract.path={tmp_path}/rows.csv", "split.guard=off"]
    words += ["data.extract.target=y", "trainer.epochs=1"]
    earlier = "data.extract.recognise=false"
    deferred(compose([*words, earlier]), tmp_path / "run")
    journal = tmp_path / "run" / "journal.jsonl"
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    for event in events:
        event.get("params", {}).pop("data.extract.recognise", None)
    journal.write_text("".join(f"{json.dumps(event)}\n" for event in events))
    with pytest.raises(UserError) as refused:
        run_deferred_test(compose(words), tmp_path / "run", "", TRIAL)
    remedy = f"an earlier version of harness began it: go on as it did with {earlier}."
    assert str(refused.value).endswith(f"(data.extract.recognise False -> True); {remedy}")
    assert (
        "test/accuracy" in run_deferred_test(compose([*words, earlier]), tmp_path / "run", "", TRIAL).scores
    )


def test_its_rows_are_others(folder: Path) -> None:
    with np.load(folder / "folds.npz") as stored:
        parts, number = stored["parts"], stored["number"]
    np.savez_compressed(folder / "folds.npz", parts=parts[:, ::-1], number=number)
    assert "on other data (its rows were split differently); restore that data." in refusal(folder)
