"""An environment that has never seen harness, made from the models' own requirements alone."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sysconfig
import venv
from collections.abc import Callable
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from packaging.requirements import Requirement

from harness.bundle.row_predictor import RowPredictor
from harness.tracking import mlflow_model
from harness.tracking.mlflow_store import prepare

# MLflow uses parts of SQLAlchemy that are deprecated.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

RUNS = {
    "table": ("data/extract=breast_cancer",),
    "image": (),
    "numbers": ("data/extract=diabetes",),
}

PREDICT = """
import sys, pandas, mlflow.pyfunc
for folder in sys.argv[1:]:
    model = mlflow.pyfunc.load_model(folder + "/model")
    model.predict(pandas.read_parquet(folder + "/rows.parquet")).to_parquet(folder + "/found.parquet")
import harness
print(harness.__file__)
"""


@pytest.fixture(scope="module")
def models(finished: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """For each run a folder with its MLflow model, raw rows, and what the run itself says of them."""
    prepare()
    made = {}
    for name, words in RUNS.items():
        bundle = finished(*words) / "model"
        folder = made[name] = tmp_path_factory.mktemp(name)
        mlflow_model.save(folder / "model", bundle)
        predictor = RowPredictor(bundle)
        example = pd.read_json(bundle / "example.json", orient="table")
        rows = pd.concat([example] * 100, ignore_index=True)
        rows = rows.astype(predictor.bundle.columns) if predictor.bundle.array is None else rows
        draw = np.random.default_rng(0)
        for column, kind in predictor.bundle.columns.items():
            if kind.startswith("float"):
                rows[column] *= draw.uniform(0.5, 1.5, len(rows))
        rows.to_parquet(folder / "rows.parquet")
        predictor(rows).to_parquet(folder / "expected.parquet")
    return made


def link(pins: set[str], site: Path, scripts: Path) -> None:
    """Links what pip would install for these pins, as it is installed here, and nothing else.

    A test would wait minutes for the download. Which distributions are needed follows from the same
    declarations that pip reads.
    """
    waiting = [Requirement(pin) for pin in pins]
    done: set[tuple[str, str]] = set()
    while waiting:
        requirement = waiting.pop()
        found = distribution(requirement.name)
        assert requirement.specifier.contains(found.version, prereleases=True), requirement
        for extra in ["", *requirement.extras]:
            if (found.name, extra) in done:
                continue
            done.add((found.name, extra))
            needed = map(Requirement, found.requires or ())
            waiting += [each for each in needed if not each.marker or each.marker.evaluate({"extra": extra})]
    for name in {name for name, _ in done}:
        found = distribution(name)
        for file in found.files or ():
            place = site / file
            if ".." not in file.parts and not place.is_symlink():  # some have files in common
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(found.locate_file(file))
        for script in found.entry_points.select(group="console_scripts"):
            main = f"import sys, {script.module}; sys.exit({script.module}.{script.attr}())"
            (scripts / script.name).write_text(f"#!{scripts}/python\n{main}\n")
            (scripts / script.name).chmod(0o755)


@pytest.fixture(scope="module")
def python(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with what the models say they need."""
    folder = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(folder, symlinks=True)
    lines = [(model / "model" / "requirements.txt").read_text().split("\n") for model in models.values()]
    pins = {line for line in itertools.chain(*lines) if line}
    link(pins, Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)})), folder / "bin")
    return folder / "bin" / "python"


def test_it_answers_the_same_rows_with_the_same_bits_in_a_program_and_over_http(
    python: Path, models: dict[str, Path], serving: Any, tmp_path: Path
) -> None:
    """One test: the environment takes seconds to make, and each process of pytest would make its own."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["PATH"] = f"{python.parent}{os.pathsep}{environment['PATH']}"  # as in an activated one
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    done = subprocess.run(
        [str(python), "-P", "-c", PREDICT, *map(str, models.values())],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    brought = Path(done.stdout.splitlines()[-1])
    assert any(folder in brought.parents for folder in models.values()), "a model brings harness with it"
    for folder in models.values():
        expected, found = (pd.read_parquet(folder / f"{name}.parquet") for name in ("expected", "found"))
        assert list(found) == list(expected)
        for column in expected:
            if expected[column].dtype == np.float64:
                assert found[column].to_numpy().tobytes() == expected[column].to_numpy().tobytes()
            else:
                assert found[column].tolist() == expected[column].tolist()

    command = [str(python), "-P", "-m", "mlflow", "models", "serve", "-m", str(models["table"] / "model")]
    with serving.running([*command, "--env-manager", "local"], tmp_path, environment) as served:
        status, answer = served.about(pd.read_parquet(models["table"] / "rows.parquet"))
    assert status == 200
    assert answer["predictions"] == pd.read_parquet(models["table"] / "expected.parquet").to_dict(
        orient="records"
    )


def test_requirements_name_only_what_the_model_needs(models: dict[str, Path]) -> None:
    asked = {
        name: {
            line.partition("==")[0] for line in (folder / "model" / "requirements.txt").read_text().split()
        }
        for name, folder in models.items()
    }
    assert {"scikit-learn", "scipy"} <= asked["table"]
    assert not any("skops" in names for names in asked.values())
    assert "pillow" in asked["image"]
    assert "scikit-learn" not in asked["image"]
    for folder in models.values():
        held = json.loads(next((folder / "model" / "artifacts").rglob("bundle.json")).read_text())
        assert held["requirements"] == (folder / "model" / "requirements.txt").read_text().split()
