"""What the data's way costs: a million rows of thirty numbers from a file to batches on the device.

The harness extracts, splits, imputes, standardises and loads, against `bare/data.py`, which does the
same with pandas and scikit-learn. Then against itself: the second command, which finds in the cache
what the first one kept, and ten folds one after the other, which must not take the room of ten.

Each side is a process of its own, whose largest memory is noted as well. Imports are not counted.
"""

from __future__ import annotations

import shutil
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from benchmarks.measure import Comparison, answer, take_turns

SCRIPT = Path(__file__).parent / "bare" / "data.py"
ROUNDS = 3
ROWS = 1_000_000
FEATURES = 30
FOLDS = 10

WORDS = [
    "data.extract.target=target",
    "data/transform=tabular",
    "data/load=resident",
    "trainer.device=cpu",
    "tracking=none",
]
_ALONE = ["data.cache=off", "split.guard=off"]

Answers = dict[str, list[dict[str, Any]]]


def main(rounds: int = ROUNDS, rows: int = ROWS) -> list[Comparison]:
    """Time and memory from CSV and Parquet, of a second command, and of many folds."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, rows)
        csv, parquet = (from_files(folder, kind, rounds, rows) for kind in ("csv", "parquet"))
        return [*csv, *parquet, again(folder, rounds, rows), folds(folder, rows)]


def from_files(folder: Path, kind: str, rounds: int, rows: int) -> list[Comparison]:
    """The whole way, with nothing kept, against the script."""
    bare = "pandas and scikit-learn"
    contenders = {
        "harness": partial(through_harness, folder, kind, 1, _ALONE),
        bare: partial(answer, [sys.executable, str(SCRIPT), str(folder / f"rows.{kind}")]),
    }
    if kind == "csv":  # the guard sees the same rows from either
        contenders["harness, with its guard"] = partial(through_harness, folder, kind, 1, ["data.cache=off"])
    measured = take_turns(contenders, rounds)
    work = f"{rows} x {FEATURES} numbers from {kind}"
    counted = ["Imports are not counted; the harness composes its configuration meanwhile."]
    memory = ["Of the whole process, with what it has imported."]
    return [
        Comparison(f"{work}: time", "s", bare, 1.2, costs(measured, "seconds"), counted),
        Comparison(f"{work}: largest memory", "MB", bare, 1.3, costs(measured, "megabytes"), memory),
    ]


def again(folder: Path, rounds: int, rows: int) -> Comparison:
    """The second command with the settings as they come, against the first, which finds no cache."""

    def first() -> dict[str, Any]:
        shutil.rmtree(folder / "outputs", ignore_errors=True)
        return through_harness(folder, "csv", 1, [])

    def second(*words: str) -> dict[str, Any]:
        if not (folder / "outputs").exists():
            first()
        return through_harness(folder, "csv", 1, [*words])

    contenders = {
        "second command": second,
        "second command, split.guard=off": partial(second, "split.guard=off"),
        "first command": first,
    }
    measured = take_turns(contenders, rounds)
    notes = ["Each composes its configuration and divides the rows; what the guard saw is kept as well."]
    work = f"{rows} x {FEATURES} numbers from csv, again"
    return Comparison(work, "s", "first command", 0.1, costs(measured, "seconds"), notes)


def folds(folder: Path, rows: int) -> Comparison:
    """The memory of many folds, one after the other, against that of one; taken once, as it varies little."""
    words = [*_ALONE, "split=kfold", f"split.folds={FOLDS}"]
    measured = {
        name: [through_harness(folder, "parquet", count, words)]
        for name, count in ((f"{FOLDS} folds", FOLDS), ("one fold", 1))
    }
    work = f"{FOLDS} folds of {rows} x {FEATURES} numbers: largest memory"
    return Comparison(work, "MB", "one fold", 1.1, costs(measured, "megabytes"))


def through_harness(folder: Path, kind: str, folds: int, words: list[str]) -> dict[str, Any]:
    """Seconds and MB of the way to the loaders of some folds."""
    source = [f"data/extract={kind}", f"data.extract.path={folder}/rows.{kind}", f"outputs={folder}/outputs"]
    command = [sys.executable, "-m", "benchmarks.stations", str(folds), *source, *WORDS, *words]
    return answer(command)


def costs(measured: Answers, name: str) -> dict[str, list[float]]:
    """One number of each answer."""
    return {contender: [cost[name] for cost in answers] for contender, answers in measured.items()}


def write(folder: Path, rows: int) -> None:
    """Normal numbers, one in a hundred missing, and a target that five of them nearly tell."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    rng = np.random.default_rng(0)
    values = rng.normal(size=(rows, FEATURES)).round(6)
    targets = (values[:, :5].sum(axis=1) + rng.normal(size=rows) > 0).astype(np.int64)
    values[rng.random(values.shape) < 0.01] = np.nan
    columns = {f"x{number}": pa.array(column, from_pandas=True) for number, column in enumerate(values.T)}
    table = pa.table({**columns, "target": targets})
    pyarrow.csv.write_csv(table, folder / "rows.csv")
    pyarrow.parquet.write_table(table, folder / "rows.parquet")
