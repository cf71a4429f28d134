"""A study is kept in a journal, in SQLite or in PostgreSQL, and all three keep the same promises."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from pathlib import Path

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from harness.core.errors import UserError
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_storage import load_or_create, open_storage, quiet, studies

ACCURACY = Objective("valid/accuracy", "maximize")
LOSS = Objective("valid/loss", "minimize")
DEADLINE = 60  # seconds after which a process counts as stuck


@pytest.fixture(params=["journal", "sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str | None:
    if request.param == "journal":
        return None
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/studies.db"
    server = request.getfixturevalue("postgres")
    server.run("drop schema public cascade", "create schema public")
    address: str = server.url
    return address


@pytest.fixture
def storage(url: str | None, tmp_path: Path) -> BaseStorage:
    return open_storage(url, tmp_path)


def test_a_trial_continues_in_another_worker_with_all_its_values(
    url: str | None, storage: BaseStorage, tmp_path: Path
) -> None:
    study = load_or_create(storage, "a-1", [ACCURACY])
    study.enqueue_trial({"lr": 0.25})
    first = study.ask()
    assert first.suggest_float("lr", 0, 1) == 0.25
    first.report(0.5, 1)
    first.set_user_attr("worker", "one")

    elsewhere = load_or_create(open_storage(url, tmp_path), "a-1", [ACCURACY])
    second = optuna.trial.Trial(elsewhere, first._trial_id)
    assert second.number == first.number
    assert second.suggest_float("lr", 0, 1) == 0.25
    second.report(0.75, 2)
    assert second.should_prune() is False
    elsewhere.tell(second, 0.75)

    (ended,) = study.get_trials()
    assert ended.state == TrialState.COMPLETE
    assert ended.params == {"lr": 0.25}
    assert ended.intermediate_values == {1: 0.5, 2: 0.75}
    assert ended.value == 0.75
    assert ended.user_attrs == {"worker": "one"}


def test_a_running_trial_is_queued_again_and_keeps_all_its_values(
    url: str | None, storage: BaseStorage, tmp_path: Path
) -> None:
    study = load_or_create(storage, "a-1", [ACCURACY])
    trial = study.ask()
    lr = trial.suggest_float("lr", 0, 1)
    trial.report(0.5, 1)
    storage.set_trial_state_values(trial._trial_id, TrialState.WAITING)
    (waiting,) = study.get_trials()
    assert (waiting.state, waiting.params) == (TrialState.WAITING, {"lr": lr})

    elsewhere = load_or_create(open_storage(url, tmp_path), "a-1", [ACCURACY])
    again = elsewhere.ask()
    assert again.number == trial.number
    assert again.suggest_float("lr", 0, 1) == lr
    (running,) = study.get_trials()
    assert running.state == TrialState.RUNNING
    assert running.intermediate_values == {1: 0.5}


def test_only_one_of_two_claims_a_waiting_trial(
    url: str | None, storage: BaseStorage, tmp_path: Path
) -> None:
    study = load_or_create(storage, "a-1", [ACCURACY])
    study.enqueue_trial({})
    elsewhere = open_storage(url, tmp_path)
    (trial,) = study.get_trials()
    assert elsewhere.set_trial_state_values(trial._trial_id, TrialState.RUNNING) is True
    assert storage.set_trial_state_values(trial._trial_id, TrialState.RUNNING) is False


def test_studies_are_listed_by_name(storage: BaseStorage) -> None:
    assert studies(storage) == []
    load_or_create(storage, "a-1", [ACCURACY])
    load_or_create(storage, "a-2", [LOSS])
    assert sorted(studies(storage)) == ["a-1", "a-2"]


def test_a_study_is_made_once_and_then_found(url: str | None, storage: BaseStorage, tmp_path: Path) -> None:
    one = load_or_create(storage, "a-1", [ACCURACY, LOSS])
    two = load_or_create(open_storage(url, tmp_path), "a-1", [ACCURACY, LOSS])
    assert two._study_id == one._study_id
    assert [direction.name for direction in two.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert two.metric_names == ["valid/accuracy", "valid/loss"]


@pytest.mark.parametrize(
    ("objectives", "wanted"),
    [
        ([Objective("valid/accuracy", "minimize")], "minimize valid/accuracy"),
        ([Objective("valid/auroc", "maximize")], "maximize valid/auroc"),
        ([ACCURACY, LOSS], "maximize valid/accuracy and minimize valid/loss"),
    ],
)
def test_a_study_with_other_objectives_is_refused(
    storage: BaseStorage, objectives: list[Objective], wanted: str
) -> None:
    load_or_create(storage, "a-1", [ACCURACY])
    with pytest.raises(UserError) as refusal:
        load_or_create(storage, "a-1", objectives)
    assert str(refusal.value) == (
        f"the sweep a-1 is there and is to maximize valid/accuracy, but this command would {wanted}; "
        "begin another with sweep.name=NAME, or take its sweep.objectives."
    )


def test_a_study_that_names_no_scores_is_known_by_its_directions(storage: BaseStorage) -> None:
    optuna.create_study(storage=storage, study_name="a-1", directions=["minimize", "minimize"])
    with pytest.raises(UserError, match="is to minimize another score and minimize another score, but"):
        load_or_create(storage, "a-1", [LOSS])


OPEN = """
import sys
from pathlib import Path
from harness.sweep.study.snapshot import Objective
from harness.sweep.study.study_storage import load_or_create, open_storage
url, folder = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
storage = open_storage(None if url == "None" else url, Path(folder))
study = load_or_create(storage, "a-1", [Objective("valid/accuracy", "maximize")])
for _ in range(5):
    study.tell(study.ask(), 0.5)
"""


@pytest.mark.slow
def test_processes_that_make_a_storage_at_one_moment_share_it(url: str | None, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN, str(url), str(tmp_path)]
    pipe = subprocess.PIPE
    workers = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(3)]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    for worker in workers:
        worker.communicate(timeout=DEADLINE)
        assert worker.returncode == 0
    storage = open_storage(url, tmp_path)
    assert studies(storage) == ["a-1"]
    trials = load_or_create(storage, "a-1", [ACCURACY]).get_trials()
    assert sorted(trial.number for trial in trials) == list(range(15))


def test_the_journal_makes_the_sweeps_folder(tmp_path: Path) -> None:
    open_storage(None, tmp_path / "sweeps" / "a-1")
    assert (tmp_path / "sweeps" / "a-1" / "study.journal").is_file()


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"file/a-1 cannot hold its journal \(Not a directory\); .*hydra\.sweep\.dir"
    ):
        open_storage(None, tmp_path / "file" / "a-1")


def test_optuna_logs_warnings_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        study = load_or_create(open_storage(None, tmp_path), "a-1", [ACCURACY])
        study.tell(study.ask(), 0.5)
        optuna.logging.get_logger("optuna.study").warning("a warning")
    assert caplog.messages == ["a warning"]


def test_optunas_experimental_warnings_are_hidden_and_no_others() -> None:
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        quiet()
        quiet()
        optuna.samplers.PartialFixedSampler({}, optuna.samplers.RandomSampler())
        optuna.create_study().set_metric_names(["loss"])
        warnings.warn("another", FutureWarning, stacklevel=1)
    assert [str(warning.message) for warning in shown] == ["another"]
