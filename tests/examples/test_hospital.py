"""The study of examples/hospital shows the gap that it is made to show."""

from __future__ import annotations

import json
import runpy
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "hospital"
WORDS = [
    "--config-dir",
    str(EXAMPLE / "conf"),
    "data/extract=hospital",
    "tracking=none",
    "trainer.device=cpu",
]


@pytest.fixture
def database(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.argv", ["generate.py", "hospital.db"])
    runpy.run_path(str(EXAMPLE / "generate.py"), run_name="__main__")
    return here / "hospital.db"


def test_the_generator_writes_the_same_rows_every_time(database: Path, here: Path) -> None:
    def dump() -> list[str]:
        with closing(sqlite3.connect(database)) as connection:
            return list(connection.iterdump())

    first = dump()
    runpy.run_path(str(EXAMPLE / "generate.py"), run_name="__main__")
    assert dump() == first
    assert sum('INSERT INTO "visit"' in line for line in first) == 1080


def accuracy(run_cli: Any, here: Path, *words: str) -> tuple[float, str]:
    folder = here / f"run-{len(list(here.iterdir()))}"
    answer = run_cli(*WORDS, *words, f"hydra.run.dir={folder}")
    assert answer.status == 0, answer.err
    scores = json.loads((folder / "result.json").read_text())["scores"]
    return scores["test/accuracy"]["pooled"], answer.out


def test_the_same_model_is_worse_on_new_patients_and_worse_still_in_a_new_hospital(
    run_cli: Any, here: Path, database: Path
) -> None:
    by_visit, output = accuracy(run_cli, here, "split=stratified_kfold")
    by_patient, quiet = accuracy(run_cli, here, "split=group_kfold")
    by_hospital, _ = accuracy(run_cli, here, "data.extract.group=hospital", "split=leave_one_group_out")
    assert "share 'patient_id' with training rows" in output
    assert "share 'patient_id'" not in quiet
    assert by_visit > by_patient + 0.08
    assert by_patient > by_hospital + 0.02
    assert by_hospital > 0.55  # about half of the visits are of either outcome
