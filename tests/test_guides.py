"""Every command of the guides does what it is there for."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.cli import new
from harness.config.compose import compose
from harness.config.instantiate import build

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[1] / "docs"
QUICK = ("tracking=none", "trainer.epochs=1", "trainer.device=cpu")
EXTRAS = {"joblib": "hydra_plugins.hydra_joblib_launcher", "slurm": "submitit", "ray": "ray"}


def blocks(guide: str, language: str) -> Iterator[str]:
    """What stands between ```language and ```."""
    text = (DOCS / guide).read_text(encoding="utf-8")
    yield from re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(guide: str) -> list[str]:
    return [line for block in blocks(guide, "sh") for line in block.strip().splitlines()]


def words(command: str) -> list[str]:
    """As the shell takes it apart, without `python -m harness`."""
    python, option, module, *rest = shlex.split(command)
    assert (python, option, module) == ("python", "-m", "harness")
    return rest


@pytest.mark.parametrize("command", commands("sweeps.md"))
def test_every_sweep_of_the_guide_would_begin(
    run_cli: Any, here: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(
        "harness.sweep.preflight.preflight._COMPOSED", 8
    )  # few points tell whether it can be read
    for name, module in EXTRAS.items():
        if f"hydra/launcher={name}" in command:
            pytest.importorskip(module)
    # What an earlier sweep is needed for is tried in tests/sweep/control.
    follows = ("resume=", "sweep.extend=", "sweep.ablate=")
    rest = [word for word in words(command) if word not in ("check", "-m") and not word.startswith(follows)]
    # A server is started elsewhere (tests/sweep/control/test_join.py); here its place is taken by a file.
    rest = [re.sub(r"postgresql://.*@host/studies", "sqlite:///studies.db", word) for word in rest]
    answer = run_cli("check", "-m", *rest, "tracking=none")
    assert answer.status == 0, answer.err
    assert answer.out.endswith("It fits.\n")
    assert list(here.glob("outputs/sweeps/*")) == []


def test_the_guides_first_sweep_and_the_extended_one_finish(run_cli: Any, here: Path) -> None:
    found = commands("sweeps.md")
    grid, *first = found[0], *(command for command in found if "sweep.name=first" in command)
    for command in (grid, *first):
        answer = run_cli(*words(command), *QUICK)
        assert answer.status == 0, answer.err
    results = {
        folder.name: json.loads((folder / "result.json").read_text())["trials"]["complete"]
        for folder in (here / "outputs/sweeps").iterdir()
    }
    assert results.pop("first-0") == 4
    assert list(results.values()) == [4]


def test_the_guides_space_in_yaml_is_one(run_cli: Any, here: Path) -> None:
    (experiment,) = blocks("sweeps.md", "yaml")
    (here / "conf" / "experiment").mkdir(parents=True)
    (here / "conf" / "experiment" / "lr_and_width.yaml").write_text(experiment)
    command = re.search(r"python -m harness .*", experiment)
    assert command is not None
    answer = run_cli("--config-dir", "conf", *words(command[0]), *QUICK, "sweep.trials=1")
    assert answer.status == 0, answer.err
    (told_space,) = re.findall(r"^  model\.depth +(\S.*)$", answer.out, re.MULTILINE)
    assert told_space.startswith("1")
    assert "1 of 1 trials ended" in answer.out


SERVERS = ("serve", "ui")
"""Verbs that end with the terminal; their tests ask them over HTTP."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of what MLflow uses of SQLAlchemy
def test_every_command_about_a_run_does_its_work(run_cli: Any, here: Path) -> None:
    source = "data/extract=breast_cancer"
    table = build(compose([source]).data.extract)()
    table.frame.to_csv(here / "rows.csv", index=False)
    table.frame[list(table.features)].to_parquet(here / "rows.parquet")
    others = {name: table.frame[name] * 1.01 for name in table.features}
    table.frame.assign(**others).to_csv(here / "new.csv", index=False)
    quick = (source, "trainer.epochs=2", "trainer.device=cpu")
    first, *rests = [words(line) for line in commands("production.md") if not line.startswith("pip ")]
    assert first == []
    folds = next(rest for rest in rests if "production.refit=true" in rest)
    for rest in ((*folds, *quick, "name=folds"), quick):
        answer = run_cli(*rest)
        assert answer.status == 0, answer.err
    asked = [rest for rest in rests if rest is not folds and rest[0] not in SERVERS]
    assert {"compare", "report", "rerun", "evaluate", "predict", "export", "register", "clean"} == {
        rest[0] for rest in asked
    }
    for rest in asked:
        named = [re.sub(r"^RUN\b", "folds", word) for word in rest]
        answer = run_cli(*named)
        assert answer.status == 0, (named, answer.err)


@pytest.fixture
def project(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a project made by `new`, with every file that docs/project.md shows."""
    folder = here / "my_project"
    new.make(folder, "harness")
    for text in (*blocks("project.md", "python"), *blocks("project.md", "yaml")):
        named = re.match(r"(?:# @package \S+\n)?# ([\w/]+\.(py|yaml))", text)
        assert named is not None, text
        (folder / named[1]).parent.mkdir(parents=True, exist_ok=True)
        (folder / named[1]).write_text(text)
    rows = [f"{k},{k % 7},{'ab'[k % 2]},s{k % 3}" for k in range(120)]
    (folder / "rows.csv").write_text("\n".join(["size,weight,kind,site", *rows]))
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield folder
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_project"]:
        del sys.modules[name]


def test_the_files_of_the_project_guide_pass_the_contract_suites_and_its_commands_run(
    run_cli: Any, project: Path
) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "pytest", "tests/test_parts.py", "-k", "not mine"],  # tests/cli/test_new.py
        cwd=project,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert made.returncode == 0, made.stdout + made.stderr
    shown = [text for path in project.glob("conf/**/*.yaml") for text in path.read_text().splitlines()]
    listed = [*commands("project.md"), *(line.removeprefix("# ") for line in shown)]
    for command in dict.fromkeys(line for line in listed if line.startswith("python -m harness")):
        if "harness new" not in command:
            answer = run_cli(*words(command), *QUICK)
            assert answer.status == 0, (command, answer.err)
            assert "raised" not in answer.out, command
    tables = [json.loads(path.read_text())["scores"] for path in project.glob("outputs/runs/*/result.json")]
    assert any("test/sharpness" in scores for scores in tables)
    assert list(project.glob("outputs/runs/*/callbacks/scores.txt"))
    folds = [np.load(path)["parts"] for path in project.glob("outputs/runs/*/folds.npz")]
    assert any(parts.shape == (3, 120) and (parts == 3).sum() == 120 for parts in folds)
