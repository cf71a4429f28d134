"""A package of the user's own, found by its pyproject.toml, goes everywhere that ours do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_project"
QUICK = ["trainer.device=cpu", "trainer.epochs=2"]


@pytest.fixture
def at_home(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the project; what its package leaves in this process is taken away."""
    from harness.cli.new import FILES

    for file in FILES:
        (here / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(EXAMPLE / file, here / file)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield here
    for name in [name for name in sys.modules if name.partition(".")[0] == "own_project"]:
        del sys.modules[name]


def test_its_parts_are_words_like_any_other(run_cli: Any, at_home: Path, only_run: Any) -> None:
    words = ["model=mine", "trainer=mine", "data/extract=mine", "model.width=8", "tracking=none"]
    answer = run_cli(*words, *QUICK)
    assert answer.status == 0, answer.err
    assert "moons, 600 rows, 2 features, binary target moon, 2 classes" in answer.out
    # 2 * 8 + 8 to enter, and in each of the two blocks 16 for the norm and twice 8 * 8 + 8.
    assert "Residual, 344 parameters" in answer.out
    result = json.loads((only_run() / "result.json").read_text())
    assert result["scores"]["test/accuracy"]["mean"] > 0.7
    assert result["command"].startswith("python -m harness model=mine trainer=mine data/extract=mine")


def test_its_choices_are_listed_and_suggested(run_cli: Any, at_home: Path) -> None:
    assert "mine" in run_cli("ls", "trainer").out
    assert run_cli("trainer=mien").err == "error: trainer has no choice 'mien'; did you mean mine?\n"
    assert run_cli("data/extract=mine", "trainer.noise=1").err == (
        "error: there is no setting 'trainer.noise' with the choice made; trainer=mine has it.\n"
    )
    assert run_cli("trainer=mine", "model=mine", "data/extract=diabetes", "tracking=none").err == (
        "error: NoisyTrainer learns classes, and the target is regression; choose trainer=supervised.\n"
    )


def test_the_console_script_and_its_workers_find_the_package_from_a_folder_below(at_home: Path) -> None:
    words = ["-m", "experiment=mine", "model.blocks=1,2", "tracking=none", "sweep.name=s", *QUICK]
    below = at_home / "conf"
    script = Path(sys.executable).parent / "harness"
    done = subprocess.run(
        [script, *words],
        cwd=below,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    content = json.loads((below / "outputs" / "sweeps" / "s-0" / "result.json").read_text())
    assert content["trials"]["complete"] == 2


def test_the_package_travels_with_the_model_that_is_logged(at_home: Path, tmp_path_factory: Any) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = [sys.executable, "-m", "harness", "experiment=mine", *QUICK]
    done = subprocess.run(words, cwd=at_home, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    program = (
        "import sys, os, pandas as pd\n"
        "from harness.tracking.mlflow_store import prepare\n"
        "prepare()\n"
        "import mlflow\n"
        f"mlflow.set_tracking_uri('sqlite:///{at_home}/outputs/mlflow.db')\n"
        "known = [found.experiment_id for found in mlflow.search_experiments()]\n"
        "found = mlflow.search_logged_models(known, output_format='list')\n"
        "model = mlflow.pyfunc.load_model(found[0].model_uri)\n"
        "print(model.predict(pd.DataFrame({'x': [0.0, 1.0], 'y': [1.0, -0.5]})).iloc[:, 0].tolist())\n"
        "own = sys.modules['own_project'].__file__\n"
        f"assert not own.startswith({str(at_home / 'own_project')!r}), own\n"
    )
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=elsewhere, capture_output=True, text=True, env=environment
    )
    assert loaded.returncode == 0, loaded.stderr
    assert loaded.stdout.strip().splitlines()[-1] == "['upper', 'lower']"
