"""`--json`: one object per command, of the committed schema; all text is on standard error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from harness.__main__ import VERBS, execute
from harness.cli.json_answer import failure
from harness.cli.json_results import RESULTS, SCHEMA_FILE, schema_text
from harness.core.errors import Interrupted
from harness.runs.run_result import Result
from harness.sweep.report.sweep_result import SweepResult

SCHEMA = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))

Asked = Callable[..., dict[str, Any]]


@pytest.fixture
def asked(run_cli: Any) -> Asked:
    """`asked("ls", "model")` is the object that this command prints with `--json`."""

    def ask(*words: str) -> dict[str, Any]:
        answer = run_cli(*words, "--json")
        (line,) = answer.out.splitlines()
        found: dict[str, Any] = json.loads(line, parse_constant=pytest.fail)
        jsonschema.validate(found, SCHEMA)
        assert found["status"] == answer.status
        assert found["error"] is None, found["error"]
        return found

    return ask


def test_a_run_that_is_resumed_has_the_folder_in_which_it_began(
    asked: Asked, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("data/extract=iris", "trainer.epochs=1", "tracking=none")

    def fail(*_: object) -> None:
        raise OSError("no disk")

    with monkeypatch.context() as patched, suppress(OSError):
        patched.setattr(import_module("harness.run"), "score_fold", fail)
        execute(list(words))
    (begun,) = (here / "outputs/runs").iterdir()
    assert asked(*words, "resume.run=auto")["result"]["folder"] == str(begun)


def test_the_committed_schema_is_that_of_the_types() -> None:
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text(), "write harness.cli.json_results anew"
    assert set(RESULTS) == {*VERBS, "run", "sweep"}


def test_a_run_and_a_sweep_have_the_keys_of_their_result_files() -> None:
    for command, kind in (("run", Result), ("sweep", SweepResult)):
        stored = {field.name for field in fields(kind)} - {"schema"}
        assert set(RESULTS[command].__annotations__) == {"folder", *stored}


def test_the_schema_refuses_the_result_of_another_command(asked: Asked) -> None:
    found = asked("ls", "model")
    assert found["result"]["groups"]["model"][0] == "auto"
    assert found["result"]["descriptions"]["mlp"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "command": "predict"}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**found, "error": {"message": "no"}}, SCHEMA)


@pytest.mark.parametrize(
    ("words", "command", "fields"),
    [
        (
            ["trainer.epocs=3"],
            "run",
            {
                "kind": "UserError",
                "rule": "there is no setting 'trainer.epocs'",
                "key": "trainer.epocs",
            },
        ),
        (["model=mpl"], "run", {"kind": "UnknownChoice", "key": "model", "value": "mpl"}),
        (["-m", "seed=1,x"], "sweep", {}),
        (["compare", "nothing"], "compare", {}),
        (["lst"], "run", {"kind": "UnknownName", "value": "lst"}),
    ],
)
def test_a_mistake_is_an_object_with_rule_value_remedy_and_key(
    run_cli: Any, words: list[str], command: str, fields: dict[str, str]
) -> None:
    answer = run_cli(*words, "--json")
    found = json.loads(answer.out)
    jsonschema.validate(found, SCHEMA)
    assert (found["command"], found["status"], found["result"]) == (command, 2, None)
    assert {name: found["error"][name] for name in fields} == fields
    assert answer.err == f"error: {found['error']['message']}\n"


@pytest.mark.parametrize(
    ("error", "command", "message"),
    [
        (Interrupted(15), "run", "stopped by SIGTERM; the same command with resume=auto continues it."),
        (KeyboardInterrupt(), "sweep", "stopped by SIGINT; the same command continues it."),
        (KeyboardInterrupt(), "compare", "stopped by SIGINT."),
    ],
)
def test_a_command_that_a_signal_ended_says_what_continues_it(
    error: BaseException, command: str, message: str
) -> None:
    fields = failure(error, None, "", command)
    remedy = message.rstrip(".").partition("; ")[2] or None
    assert fields == {
        "kind": type(error).__name__,
        "message": message,
        "rule": None,
        "value": None,
        "remedy": remedy,
        "key": None,
    }


def test_a_secret_stands_in_no_field_of_an_error(run_cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter22")
    answer = run_cli("data/extract=csv", "data.extract.path=hunter22.csv", "--json")
    assert "hunter22" not in answer.out + answer.err
    assert json.loads(answer.out)["error"]["rule"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow uses of SQLAlchemy
def test_every_command_about_a_run_gives_its_result(
    asked: Asked, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = ("data/extract=iris", "trainer.epochs=1", "trainer.device=cpu")
    made = asked(*quick, "hydra.run.dir=outputs/runs/made")
    run = made["result"]
    assert run["folder"] == str(here / "outputs/runs/made")
    stored = json.loads(Path(run["folder"], "result.json").read_text())
    assert {name: value for name, value in run.items() if name in stored} == {
        name: value for name, value in stored.items() if name != "schema"
    }

    checked = asked("check", *quick)["result"]
    assert (checked["rows"], sum(checked["parts"].values())) == (150, 150)
    assert checked["columns"][0]["column"] == "species"  # the target comes first
    assert asked("check", "-m", *quick, "seed=1,2")["result"]["sweep"]

    evaluated = asked("evaluate", "made")["result"]
    assert evaluated["scores"]["test/accuracy"]["mean"] == run["scores"]["test/accuracy"]["mean"]
    repeated = asked("rerun", "made")["result"]
    assert repeated["equal"] is True
    assert repeated["run"]["scores"]["valid/loss"] == run["scores"]["valid/loss"]
    assert asked("rerun", "made", "--dry")["result"] == {"equal": None, "run": None}

    (board,) = asked("compare", "made", repeated["run"]["folder"])["result"]["boards"]
    assert [row["place"] for row in board["rows"]] == [1, 2]
    assert board["rows"][0][board["score"]] == run["scores"][board["score"]]["mean"]

    rows = here / "rows.csv"
    rows.write_text("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5,3,99,1\n")
    predicted = asked("predict", "made", str(rows), "out.csv")["result"]
    assert (predicted["rows"], predicted["beyond"]) == (1, {"petal length (cm)": 1})
    exported = asked("export", "made", "--format", "safetensors")["result"]
    assert Path(exported["folder"], "preprocessing.json").exists()
    page = asked("report", "made")["result"]
    assert Path(page["file"]).stat().st_size > 10_000

    refused = asked("register", "made", "--name", "flowers", "--if", "test/accuracy>=2")
    assert (refused["status"], refused["result"]["registered"]) == (1, False)
    assert asked("sync", "made")["result"]["lines"]
    assert asked("new", "my_project")["result"]["folder"].endswith("my_project")
    cleaned = asked("clean", "--status=finished", "--dry")["result"]
    assert cleaned["removed"] == 0
    assert {Path(entry["path"]).name for entry in cleaned["found"]} >= {"made"}

    started: list[Any] = []
    for name in ("execv", "execve"):
        monkeypatch.setattr(os, name, lambda *words: started.append(words))
    assert asked("serve", "made", "--port", "5123")["result"]["address"] == "http://127.0.0.1:5123"
    pages = asked("ui", "made", "--port", "0")["result"]
    assert pages["address"].startswith("http://127.0.0.1:")
    assert len(started) == 2


@pytest.mark.slow
def test_a_sweep_gives_its_result_also_where_hydra_mode_asks_for_it(asked: Asked, here: Path) -> None:
    words = ("data/extract=iris", "trainer.epochs=1", "tracking=none", "seed=1,2")
    found = asked(*words, "hydra.mode=MULTIRUN")
    assert found["command"] == "sweep"
    assert found["result"]["trials"]["complete"] == 2
    (folder,) = (here / "outputs/sweeps").iterdir()
    assert found["result"]["folder"] == str(folder)
    assert found["result"]["best"] == json.loads((folder / "result.json").read_text())["best"]


@pytest.mark.slow
def test_standard_output_has_nothing_but_the_object_also_in_a_process_of_its_own(here: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "harness", "ls", "--json"], capture_output=True, text=True, check=True
    )
    assert json.loads(ended.stdout)["result"]["groups"]["split"]
    assert "split" in ended.stderr
