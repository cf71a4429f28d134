from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.runs.sweep_folders import below, finished, newest, number_of, stem
from harness.runtime.stored_file import DamagedFile


def test_the_same_words_in_another_order_are_the_same_sweep() -> None:
    assert stem(None, ["a=1,2", "b=3"]) == stem(None, ["b=3", "a=1,2"])
    assert len(stem(None, ["a=1,2"])) == 8
    assert stem(None, ["a=1,2"]) != stem(None, ["a=1,3"])
    assert stem("mine", ["a=1,2"]) == "mine"


@pytest.mark.parametrize(
    "word",
    [
        "sweep.name=null",
        "sweep.trials=30",
        "++sweep.hours=2",
        "sweep.stagnation=10",
        "sweep.workers=4",
        "sweep.storage=sqlite:///a.db",
        "sweep.retries=1",
        "sweep.fail_fast=true",
        "sweep.failures=2",
        "sweep.timeout=3",
        "sweep.recycle=20",
        "sweep.isolate=true",
        "sweep.lease=90",
        "sweep.patience=1",
        "sweep.test=all",
        "tracking=none",
        "tracking.uri=http://a",
        "resume.run=auto",
        "outputs=elsewhere",
        "harness.traceback=true",
        "hydra/launcher=joblib",
        "hydra.launcher.n_jobs=2",
        "hydra.sweep.dir=x",
        "~tracking",
    ],
)
def test_budget_and_workers_make_no_other_sweep(word: str) -> None:
    assert stem(None, ["a=1,2", word]) == stem(None, ["a=1,2"])


@pytest.mark.parametrize(
    "word",
    [
        "sweep=tpe",
        "sweep.seed=1",
        "sweep.repeat=2",
        "sweep.objectives=valid/f1",
        "sweep.axis=folds",
        "sweep.sampler.n_startup_trials=3",
        "sweep/pruner=none",
        "trainer.epochs=3",
        "+tracking_of=x",
        "name=hydra",
        "tags={harness: 1}",
    ],
)
def test_whatever_bears_on_the_trials_makes_another_sweep(word: str) -> None:
    assert stem(None, ["a=1,2", word]) != stem(None, ["a=1,2"])


def test_the_number_follows_the_name() -> None:
    assert number_of("mine-12", "mine") == 12
    assert [number_of(name, "a.b") for name in ("axb-1", "a.b-1-2", "a.b-", "a.b-x", "a.b")] == [None] * 5


@pytest.mark.parametrize(
    ("numbers", "number"),
    [
        ({}, 0),
        ({0: False}, 0),
        ({0: True}, 1),
        ({0: False, 1: True}, 2),
        ({0: True, 1: False}, 1),
        ({0: False, 1: None}, 0),
        ({0: True, 3: None}, 4),
        ({0: None}, 1),
    ],
)
def test_a_command_means_the_newest_sweep_until_that_is_finished(
    numbers: dict[int, bool | None], number: int
) -> None:
    assert newest(numbers) == number


def sweep(folder: Path, *, status: str | None = None, study: bool = True, trials: int = 1) -> None:
    folder.mkdir(parents=True)
    if study:
        (folder / "study.journal").touch()
    for number in range(trials):
        (folder / str(number)).mkdir()
    if status is not None:
        (folder / "result.json").write_text(json.dumps({"schema": 1, "status": status}))


def test_a_sweep_is_finished_by_the_status_of_its_result(tmp_path: Path) -> None:
    for status, over in (("finished", True), ("interrupted", False), ("failed", False), (None, False)):
        sweep(tmp_path / str(status), status=status)
        assert finished(tmp_path / str(status)) is over
    (tmp_path / "None" / "result.json").write_text("{ torn")
    with pytest.raises(DamagedFile):
        finished(tmp_path / "None")


def test_a_folder_is_the_sweeps_whose_study_may_lie_in_it(tmp_path: Path) -> None:
    sweep(tmp_path / "mine-0", status="finished")
    sweep(tmp_path / "mine-1")
    sweep(tmp_path / "mine-2", study=False)
    sweep(tmp_path / "mine-3", study=False, trials=0)
    sweep(tmp_path / "mine-too-4")
    (tmp_path / "mine-5").touch()
    assert below(tmp_path, "mine") == {0: True, 1: False, 2: None, 3: False}
    assert below(tmp_path, "mine", stored=False) == {0: None, 1: None, 2: None, 3: False}
    assert below(tmp_path / "absent", "mine") == {}
