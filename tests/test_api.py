"""`from harness import compose, run`: the names of two modules, and what they do."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from harness import compose, run
from harness.api import compare, sweep
from harness.core.errors import UserError
from harness.notebook.run_view import Run
from harness.runs.run_result import Result

QUICK = ["tracking=none", "trainer.epochs=1", "trainer.device=cpu", "data/extract=iris", "model.widths=[8]"]
CHECK = """
import sys
words = ["tracking=none", "data/extract=iris"]
import harness
from harness import compose, run
from harness.config.choice_files import CONF
from harness.config.compose import compose as compose_itself
from harness.run import run as run_of_a_plan
from harness import api
assert harness.run is run is api.run and harness.compose is compose is api.compose
assert sys.modules["harness.run"].run is run_of_a_plan
assert compose(words) == compose_itself(words)
assert compose(words).data.extract.name == "iris"
print("well")
"""


LAZY = """
import sys, harness.api
print(sorted({"mlflow", "optuna", "pandas", "pyarrow", "sklearn", "torch"} & set(sys.modules)))
from harness.api import Compared, Run, Sweep
from harness.notebook import comparison_view, run_view, sweep_view
assert (Compared, Run, Sweep) == (comparison_view.Compared, run_view.Run, sweep_view.Sweep)
assert not hasattr(harness.api, "Trial")
"""
FIRST = [
    "import harness",
    "import harness.run, harness.config.compose",
    "from harness import run",
    "from harness import compose",
    "from harness.run import run",
    "from harness.config.compose import compose",
    "import harness.api",
    "from harness.api import run, compose",
]


@pytest.mark.slow
def test_whatever_is_imported_first_both_meanings_of_the_names_hold(tmp_path: Path) -> None:
    program = (
        f"{LAZY}\n"
        f"for first in {FIRST!r}:\n"
        "    for name in [name for name in sys.modules if name.partition('.')[0] == 'harness']:\n"
        "        del sys.modules[name]\n"
        f"    exec(first + {CHECK!r}, {{}})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert (done.stdout, done.stderr) == ("[]\n" + "well\n" * len(FIRST), "")


@pytest.mark.slow
def test_the_package_alone_imports_nothing_heavy(tmp_path: Path) -> None:
    program = "import sys, harness; print({'torch', 'hydra', 'pandas', 'mlflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.stdout == "set()\n"


def test_overrides_and_a_configuration_give_the_same_run_in_the_folders_of_the_command_line(
    here: Path,
) -> None:
    one, two, three = run(*QUICK), run(compose(QUICK)), run(QUICK)
    shows_a_run(two)
    for result in (one, two, three):
        assert (
            result.scores.pop("time/training_seconds")["mean"]
            >= result.scores.pop("time/epoch_seconds")["mean"]
        )
    assert one.scores == two.scores == three.scores
    assert one.status == "finished"
    assert one.command == f"python -m harness {' '.join(QUICK[:-1])} 'model.widths=[8]'"
    assert len(list((here / "outputs" / "runs").glob("*/result.json"))) == 3


def shows_a_run(run: Run) -> None:
    """Its tables hold what its files do."""
    stored = json.loads((run.folder / "result.json").read_text())
    assert run.frame().loc["test/accuracy", "mean"] == stored["scores"]["test/accuracy"]["mean"]
    low, high = stored["scores"]["test/accuracy"]["ci95_rows"]
    assert tuple(run.frame().loc["test/accuracy", ["low", "high"]]) == (low, high)
    assert run.fold_frame()["test/accuracy"].tolist() == stored["scores"]["test/accuracy"]["folds"]
    history = run.history()
    assert history["step"].tolist() == sorted(history["step"])
    assert history["valid/accuracy"].dropna().iloc[-1] == stored["scores"]["valid/accuracy"]["mean"]
    predictions = run.predictions()
    right = (predictions["prediction"] == predictions["target"]).mean()
    assert right == pytest.approx(stored["scores"]["test/accuracy"]["mean"])
    page = run._repr_html_()
    assert f"<b>{run.folder.name}</b>" in page
    assert "<th>test/accuracy</th>" in page


@pytest.mark.slow
def test_a_sweep_and_a_comparison_have_tables_and_the_same_words_continue(here: Path) -> None:
    words = [*QUICK, "sweep.name=seeds"]
    with pytest.raises(UserError):
        sweep(*words, "-m")
    tried = sweep(*words, "seed=1,2")
    assert tried.folder == here / "outputs" / "sweeps" / "seeds-0"
    assert (tried.status, tried.trials["complete"]) == ("finished", 2)
    trials = tried.frame()
    assert trials["seed"].tolist() == [1, 2]
    assert isinstance(tried.best, dict)
    assert tried.objective is not None
    assert "<b>seeds-0</b>" in tried._repr_html_()
    named = sweep([*QUICK, "seed=1"], folder=here / "a b")
    assert named.folder == here / "a b"
    board = compare(str(tried.folder), each=True)
    assert sorted(board.frame()["run"]) == ["seeds-0/0", "seeds-0/1"]
    page = board._repr_html_()
    assert "<b>iris by valid/accuracy</b>" in page
    assert "<small>seeds-0: after choosing among 2 trials expect valid/accuracy" in page
    with pytest.raises(UserError, match="nothing is not a run"):
        compare("nothing")


def test_a_run_that_is_resumed_has_the_folder_in_which_it_began(here: Path) -> None:
    def end(*_: object) -> None:
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError):
        run(*QUICK, consumers=[end])
    (begun,) = (here / "outputs" / "runs").iterdir()
    assert run(*QUICK, "resume.run=auto").folder == begun


def test_a_folder_may_be_named_behind_the_configuration_or_by_its_name(here: Path) -> None:
    run(compose(QUICK), "one")
    run(*QUICK, folder=here / "two")
    assert (here / "one" / "result.json").exists()
    assert (here / "two" / "result.json").exists()
    assert not (here / "outputs" / "runs").exists()


def test_a_replacement_of_the_function_is_called(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    called = []

    def replacement(cfg: Any, folder: Path, **more: Any) -> Result:
        called.append((cfg.seed, folder.name, more))
        return Result(status="finished", seed=3)

    monkeypatch.setattr(import_module("harness.run"), "run", replacement)
    assert (run("seed=3", folder="x").seed, run("seed=3", folder="x").folder) == (3, here / "x")
    assert called[0] == (3, "x", {"chosen": True, "command": "python -m harness seed=3"})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: compose("model=mpl"), "model has no choice 'mpl'; did you mean mlp?"),
        (lambda: run("modle=mlp"), "there is no setting 'modle'; did you mean model?"),
        (
            lambda: run(3),  # type: ignore[call-overload]
            "run takes a configuration that compose made, or words of the command line such as 'model=mlp', "
            "got int 3; write run(compose([...])).",
        ),
        (
            lambda: run("hydra.run.dir=x"),
            "hydra.run.dir=x is the command line's; from Python, the folder is run(…, folder=FOLDER).",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_and_leaves_nothing(call: object, words: str, here: Path) -> None:
    assert callable(call)
    with pytest.raises(UserError) as found:
        call()
    assert str(found.value) == words
    assert found.value._render_traceback_() == [f"error: {words}"]
    assert list(here.iterdir()) == []
