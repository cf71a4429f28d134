"""What an earlier harness left on a disk still works: runs, a sweep, what was stopped, and a model in MLflow.

The files in tests/data/before were made by commit d625819; make.py beside them tells how.
"""

from __future__ import annotations

import csv
import json
import math
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness.core.baseline_names import with_baseline_names

pytestmark = pytest.mark.slow

BEFORE = Path(__file__).parent / "data" / "before"
EXPECTED: dict[str, Any] = json.loads((BEFORE / "expected.json").read_text())
RUNS = ["plain", "folds", "contrastive", "semi_supervised", "diabetes"]
PREDICTED = [*RUNS, "folds/fold-1", "rates-0/best"]

SAME_MACHINE = {
    name: fact for name, fact in EXPECTED["made"].items() if name not in ("commit", "python")
} == {
    "machine": platform.machine(),
    "cpu": torch.backends.cpu.get_cpu_capability(),
    "torch": torch.__version__,
    "numpy": np.__version__,
    "threads": torch.get_num_threads(),
}
"""Whether the same bits may be asked for: another processor, torch or number of threads rounds otherwise."""

RunCli = Callable[..., Any]

DEFAULT = "data/transform/numeric=standard"
"""The default of the time."""


@pytest.fixture
def before(here: Path) -> Path:
    """The folder of the command, with the outputs of the earlier harness and the rows of its predictions."""
    _unpack("outputs", here)
    for name in ("iris.csv", "diabetes.csv"):
        (here / name).write_bytes((BEFORE / name).read_bytes())
    return here


def _unpack(name: str, folder: Path) -> None:
    with tarfile.open(BEFORE / f"{name}.tar.xz") as archive:
        archive.extractall(folder, filter="data")


def same(found: Any, wanted: Any) -> bool:
    """Whether both are equal, of numbers to the last bit where that may be asked for."""
    if isinstance(wanted, dict):
        return found.keys() == wanted.keys() and all(same(found[name], wanted[name]) for name in wanted)
    if isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    if found == wanted or SAME_MACHINE:
        return bool(found == wanted)
    try:
        return math.isclose(float(found), float(wanted), rel_tol=1e-3, abs_tol=1e-3)
    except (TypeError, ValueError):
        return False


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def scores(folder: Path) -> dict[str, Any]:
    """The scores of `result.json`, without times."""
    found = json.loads((folder / "result.json").read_text())["scores"]
    return with_baseline_names({n: score for n, score in found.items() if not n.startswith("time/")})


_END_OF_AN_INTERVAL = re.compile(r" (low|high) over (folds|seeds)$")
"""Columns of `compare --csv`."""


def without_intervals(found: dict[str, Any]) -> dict[str, Any]:
    """Scores without what is computed otherwise today: intervals stay within what a score can be."""
    kept = ("mean", "std", "folds", "pooled")
    return {name: {key: score[key] for key in kept if key in score} for name, score in found.items()}


def same_scores(folder: Path, wanted: dict[str, Any]) -> bool:
    """Whether a run has the scores of an earlier one."""
    return same(without_intervals(scores(folder)), without_intervals(with_baseline_names(wanted)))


def points(sweep: Path) -> list[dict[str, str]]:
    """What the trials of a sweep came to."""
    names = EXPECTED["sweep"]["points"][0]
    return [{name: row[name] for name in names} for row in lines(sweep / "trials.csv")]


def new(before: Path, *known: str) -> Path:
    """The folder of the one run that the earlier harness did not make."""
    with tarfile.open(BEFORE / "outputs.tar.xz") as archive:
        old = {Path(name).parts[2] for name in archive.getnames() if name.startswith("outputs/runs/")}
    (folder,) = (path for path in (before / "outputs/runs").iterdir() if path.name not in {*old, *known})
    return folder


@pytest.fixture
def predicts(run_cli: RunCli, before: Path) -> Callable[..., None]:
    """`predicts(run, rows, wanted)` asks whether a run predicts what it did."""

    def check(run: str, rows: str, wanted: str, *more: str) -> None:
        answer = run_cli("predict", run, rows, "out.csv", *more)
        assert answer.status == 0, answer.err
        assert same(lines(before / "out.csv"), lines(BEFORE / "predicted" / wanted))

    return check


@pytest.mark.parametrize("run", PREDICTED)
def test_a_run_gives_the_same_predictions(predicts: Callable[..., None], run: str) -> None:
    rows = "diabetes.csv" if run == "diabetes" else "iris.csv"
    predicts(run, rows, f"{run.replace('/', '-')}.csv")


def test_the_representation_of_a_row_is_the_same(predicts: Callable[..., None]) -> None:
    predicts("plain", "iris.csv", "representation.csv", "--embed")


def test_the_ensemble_of_folds_gives_the_same_predictions(predicts: Callable[..., None]) -> None:
    predicts("folds", "iris.csv", "folds-together.csv", "--ensemble")


@pytest.mark.parametrize("run", ["plain", "folds", "contrastive", "semi_supervised", "diabetes"])
def test_a_run_from_elsewhere_names_nothing_that_is_not_known(
    predicts: Callable[..., None], before: Path, run: str
) -> None:
    (before / "outputs" / "runs").rename(before / "theirs")
    rows = "diabetes.csv" if run == "diabetes" else "iris.csv"
    predicts(f"theirs/{run}", rows, f"{run}.csv")


@pytest.mark.parametrize("what", EXPECTED["evaluated"])
def test_an_evaluation_gives_the_same_scores(run_cli: RunCli, before: Path, what: str) -> None:
    run, _, rows = what.partition(", ")
    words = ["data/extract=csv", f"data.extract.path={rows}"] if rows else []
    answer = run_cli("evaluate", run, "tracking=none", *words)
    assert answer.status == 0, answer.err
    assert same_scores(new(before), EXPECTED["evaluated"][what])


@pytest.mark.parametrize("run", [*RUNS, "rates-0/best"])
def test_a_rerun_gives_the_same_scores(run_cli: RunCli, before: Path, run: str) -> None:
    answer = run_cli("rerun", run)
    if SAME_MACHINE:
        assert answer.status == 0, answer.out + answer.err
        assert "scores are equal to the last bit." in answer.out
    if run in EXPECTED["runs"]:
        assert same_scores(new(before), EXPECTED["runs"][run]["scores"])


@pytest.mark.parametrize("run", RUNS)
def test_a_run_from_elsewhere_can_be_made_again(run_cli: RunCli, before: Path, run: str) -> None:
    (before / "outputs" / "runs").rename(before / "theirs")
    answer = run_cli("rerun", f"theirs/{run}", "--dry")
    assert answer.status == 0, answer.err
    assert "! its configuration was not made here: it is tracked and cached as a run of ours" in answer.out
    assert "the data has changed" not in answer.out


def test_of_another_trainer_the_parts_follow_that_auto_had_chosen(run_cli: RunCli, before: Path) -> None:
    own = [word for word in EXPECTED["runs"]["contrastive"]["words"] if word.startswith("trainer")]
    answer = run_cli("rerun", "plain", *own)
    assert answer.status == 0, answer.err
    assert same_scores(new(before), EXPECTED["runs"]["contrastive"]["scores"])


def test_a_run_stopped_within_an_epoch_resumes_to_the_same_result(run_cli: RunCli, before: Path) -> None:
    wanted = EXPECTED["stopped"]["stopped"]
    answer = run_cli(*wanted["words"], DEFAULT, "resume=outputs/runs/stopped")
    assert answer.status == 0, answer.err
    assert "the training resumes within epoch 3, step 17." in answer.err + answer.out
    assert same_scores(before / "outputs/runs/stopped", wanted["scores"])


def test_killed_folds_resume_to_the_same_result(run_cli: RunCli, before: Path) -> None:
    wanted = EXPECTED["stopped"]["killed"]
    answer = run_cli(*wanted["words"], DEFAULT, "resume=auto")
    assert answer.status == 0, answer.err
    output = answer.err + answer.out
    assert f"resume=auto: resuming {Path('outputs/runs/killed')}" in output
    assert "fold 1 resumes after epoch 2, step 8." in output
    assert same_scores(before / "outputs/runs/killed", wanted["scores"])


def test_a_stopped_sweep_continues_with_the_same_trials(run_cli: RunCli, before: Path) -> None:
    wanted = EXPECTED["stopped"]["halved"]
    answer = run_cli(*wanted["words"], DEFAULT)
    assert answer.status == 0, answer.err
    assert same(points(before / "outputs/sweeps/halved-0"), wanted["points"])


def test_what_began_with_another_default_is_not_continued_with_that_of_today(
    run_cli: RunCli, before: Path
) -> None:
    stopped = EXPECTED["stopped"]
    answer = run_cli(*stopped["stopped"]["words"], "resume=outputs/runs/stopped")
    assert answer.status == 2
    assert f"an earlier version of harness began it: go on as it did with {DEFAULT}." in answer.err
    explained = [*EXPECTED["sweep"]["words"], "resume=rates-0", "sweep.ablate=true"]
    for words, sweep in (
        (["check", *stopped["halved"]["words"]], "halved-0"),
        (stopped["halved"]["words"], "halved-0"),
        (explained, "rates-0"),
    ):
        answer = run_cli(*words)
        assert answer.status == 2
        assert answer.err.splitlines()[0] == (
            f"error: a sweep continues with its own settings, and {sweep} began with {DEFAULT}, the default "
            f"of an earlier version of harness; add {DEFAULT}, or begin another with sweep.name=NAME."
        )
    answer = run_cli(*stopped["killed"]["words"], "resume=auto")
    assert answer.status == 0, answer.err
    killed = Path("outputs/runs/killed")
    reason = f"an earlier version of harness began it, and it is resumed with {DEFAULT}."
    assert f"resume=auto: {killed} has this data: {reason}" in answer.err + answer.out


def test_a_finished_sweep_takes_another_trial(run_cli: RunCli, before: Path) -> None:
    words = EXPECTED["sweep"]["words"]
    answer = run_cli(*words, DEFAULT, "sweep.trials=4", "resume=rates-0")
    assert answer.status == 0, answer.err
    found = points(before / "outputs/sweeps/rates-0")
    assert same(found[:3], EXPECTED["sweep"]["points"])
    assert len(found) == 4


@pytest.mark.parametrize("what", EXPECTED["compared"])
def test_a_comparison_ranks_as_it_did(run_cli: RunCli, before: Path, what: str) -> None:
    wanted = EXPECTED["compared"][what]
    answer = run_cli("compare", *wanted["words"], "--csv", "board.csv", "--html", "board.html")
    assert answer.status == 0, answer.err
    found = lines(before / "board.csv")
    for line, old in zip(found, wanted["lines"], strict=True):
        compared = {name: value for name, value in old.items() if not _END_OF_AN_INTERVAL.search(name)}
        assert same({name: line[name] for name in compared}, compared)
    assert (before / "board.html").stat().st_size


def test_an_earlier_run_and_one_of_today_with_its_choices_differ_in_nothing(
    run_cli: RunCli, before: Path
) -> None:
    words = [*EXPECTED["runs"]["plain"]["words"], "hydra.run.dir=outputs/runs/today"]
    assert run_cli(*words, DEFAULT, "trainer.best_by=null").status == 0
    answer = run_cli("compare", "plain", "today")
    assert answer.status == 0, answer.err
    assert "\nthe same: configuration, data" in answer.out  # code and packages are not


@pytest.mark.parametrize("run", [*RUNS, "folds/fold-1", "rates-0/best", "stopped"])
def test_a_page_about_a_run_is_written(run_cli: RunCli, before: Path, run: str) -> None:
    answer = run_cli("report", run, "--out", "page.html")
    assert answer.status == 0, answer.err
    assert "!" not in answer.out
    assert (before / "page.html").stat().st_size


def test_sweeps_and_runs_are_distinguished(run_cli: RunCli, before: Path) -> None:
    answer = run_cli("report", "rates-0")
    assert answer.status == 2
    assert "rates-0 is a sweep, and a sweep has its own report.html" in answer.err


@pytest.mark.parametrize(
    ("run", "format"),
    [("plain", "safetensors"), ("plain", "pt2"), ("diabetes", "pt2"), ("contrastive", "safetensors")],
)
def test_a_model_is_exported(run_cli: RunCli, before: Path, run: str, format: str) -> None:
    answer = run_cli("export", run, "--format", format, "--out", "export")
    assert answer.status == 0, answer.err
    assert (before / "export" / "preprocessing.json").exists()


def test_a_training_begins_with_the_weights_of_a_run(run_cli: RunCli, before: Path) -> None:
    answer = run_cli(*EXPECTED["tuned"]["words"], "hydra.run.dir=outputs/runs/tuned")
    assert answer.status == 0, answer.err
    assert same_scores(before / "outputs/runs/tuned", EXPECTED["tuned"]["scores"])


def test_a_model_of_mlflow_predicts_by_the_code_that_it_carries(before: Path) -> None:
    _unpack("model", before)
    text = (
        "import mlflow.pyfunc, pandas\n"
        "rows = pandas.read_csv('iris.csv')\n"
        "found = mlflow.pyfunc.load_model('model').predict(rows)\n"
        "pandas.concat([rows, found], axis=1).to_csv('out.csv', index=False)\n"
        "import harness; print(harness.__file__)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-c", text], cwd=before, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split()[-1]) == before / "model/code/harness/__init__.py"
    _predicted_alike(before)


def test_a_model_of_mlflow_predicts_by_the_code_of_today(predicts: Callable[..., None], before: Path) -> None:
    _unpack("model", before)
    predicts("model", "iris.csv", "plain.csv")


def _predicted_alike(before: Path) -> None:
    answers = ("prediction", "probability_setosa", "probability_versicolor", "probability_virginica")
    found, wanted = (
        [{name: row[name] for name in answers} for row in lines(path)]
        for path in (before / "out.csv", BEFORE / "predicted" / "plain.csv")
    )
    assert same(found, wanted)
