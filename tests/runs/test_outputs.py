"""One way to find a run, and to know whether it still runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UnknownName, UserError
from harness.runs.journal import Journal
from harness.runs.outputs import Outputs, UnknownRun
from harness.runs.stored_run import EVALUATED, StoredRun
from harness.runs.tracking_state import State


def store(folder: Path, name: str = "", end: bool = True, **tags: str) -> Path:
    """A run's folder with as much as is needed to find it."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").touch()
    journal = Journal(folder)
    journal.start("", name or folder.name, tags=tags)
    if end:
        journal.end("", "finished")
    journal.close()
    return folder


@pytest.fixture
def outputs(tmp_path: Path) -> Outputs:
    """Two runs, of which the second has folds and is in MLflow, an evaluation, and a sweep."""
    found = Outputs(tmp_path / "outputs")
    store(found.runs / "one", name="shared")
    two = store(found.runs / "two", name="own")
    (two / "fold-1").mkdir()
    State("sqlite:///x", "harness", runs={"": "id-two", "fold-1": "id-fold"}).save(two)
    store(found.runs / "score", name="shared", **{EVALUATED: "one"})
    for name in ("lr-0/0", "lr-0/1", "lr-1/0/seed-0", "lr-1/0/seed-1", "wd-0/0", "wd-0/1"):
        store(found.sweeps / name)
    result: dict[str, Any] = {"status": "finished", "best": {"number": 1}}
    (found.sweeps / "lr-0" / "result.json").write_text(json.dumps(result))
    price = {"score": "valid/accuracy", "trials": 2, "expected": 0.9, "ci95": [0.8, 1.0], "recommended": 0}
    (found.sweeps / "wd-0" / "result.json").write_text(json.dumps(result | {"selection": price}))
    return found


@pytest.mark.parametrize(
    ("word", "place", "fold"),
    [
        ("one", "runs/one", None),
        ("own", "runs/two", None),
        ("last", "runs/two", None),
        ("id-two", "runs/two", None),
        ("id-fold", "runs/two", 1),
        ("two/fold-1", "runs/two", 1),
        ("last/fold-1", "runs/two", 1),
        ("lr-0/0", "sweeps/lr-0/0", None),
        ("lr-0/best", "sweeps/lr-0/1", None),
        ("lr-0/recommended", "sweeps/lr-0/1", None),  # the choice has no price: the best
        ("wd-0/best", "sweeps/wd-0/1", None),
        ("wd-0/recommended", "sweeps/wd-0/0", None),
        ("lr-1/0/seed-1", "sweeps/lr-1/0/seed-1", None),
    ],
)
def test_a_run_is_found_by_every_name_that_it_has(
    outputs: Outputs, word: str, place: str, fold: int | None
) -> None:
    found = outputs.find(word)
    assert (found.folder, found.fold) == (outputs.root / place, fold)


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("oen", UnknownRun),
        ("shared", UserError),  # two runs have that name
        ("lr", UserError),  # a sweep
        ("lr-0/2", UnknownName),
        ("lr-1/0", UserError),  # several seeds
        ("lr-1/best", UserError),  # no best trial yet
        ("lr-1/recommended", UserError),
        ("two/fold-2", UnknownName),
        ("none/best", UnknownName),
    ],
)
def test_a_name_that_means_no_run_is_refused(outputs: Outputs, word: str, kind: type[UserError]) -> None:
    with pytest.raises(UserError) as raised:
        outputs.find(word)
    assert type(raised.value) is kind


def test_a_list_of_runs_has_each_run_and_each_sweep_once(outputs: Outputs) -> None:
    with pytest.raises(UnknownRun) as raised:
        outputs.find("qqqqqq")
    assert (
        raised.value.remedy == "there are lr-0/best, lr-1/best, one, own, score and wd-0/best."
    )  # two are "shared"
    with pytest.raises(UnknownRun) as raised:
        outputs.find("lr-1/0/sed-1")
    assert raised.value.remedy == "did you mean lr-1/0/seed-1 or lr-1/0/seed-0?"


def test_a_sweep_is_found_by_its_newest_number(outputs: Outputs) -> None:
    assert outputs.find_sweep("lr") == outputs.sweeps / "lr-1"
    assert outputs.find_sweep("lr-0") == outputs.sweeps / "lr-0"


def test_single_runs_are_neither_trials_nor_evaluations(outputs: Outputs) -> None:
    assert [run.label for run in outputs.single()] == ["one", "two"]


def test_all_runs_are_listed_by_name(outputs: Outputs) -> None:
    labels = [run.label for run in outputs.stored_runs()]
    assert labels[:3] == ["one", "score", "two"]
    trials = ["lr-0/0", "lr-0/1", "lr-1/0/seed-0", "lr-1/0/seed-1", "wd-0/0", "wd-0/1"]
    assert labels[3:] == trials


def test_a_run_runs_until_its_end_is_written(tmp_path: Path) -> None:
    assert StoredRun(store(tmp_path / "open", end=False)).history.running is True
    assert StoredRun(store(tmp_path / "ended")).history.running is False
    assert StoredRun(tmp_path / "none").history.running is False
