"""Runs that never trained: folders with what a run leaves, and scores that were chosen by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.runs.journal import Journal
from harness.runs.run_result import Result, summarise

Make = Callable[..., Path]


@pytest.fixture
def outputs(tmp_path: Path) -> Path:
    return tmp_path / "outputs"


@pytest.fixture
def make(outputs: Path) -> Make:
    """`make("a", {"test/accuracy": [0.9, 0.8]}, lr="0.1")`: a run of 20 rows, 5 per fold.

    `rows` shifts the test rows, `predicted` those of the first fold; the targets there are 0 1 0 1 0.
    """

    def run(
        name: str,
        scores: dict[str, Sequence[float]],
        place: str = "runs",
        status: Any = "finished",
        rows: int = 0,
        predicted: Sequence[object] | None = None,
        digest: str = "d1",
        data: str = "set",
        **params: str,
    ) -> Path:
        folder = outputs / place / name
        folder.mkdir(parents=True)
        (folder / "config.yaml").write_text("{}\n")
        settings = {"seed": "0", "trainer.monitor": f"valid/{next(iter(scores), 'x/x').partition('/')[2]}"}
        journal = Journal(folder)
        journal.start(
            "",
            name=f"called-{name}",
            params=settings | {key.replace("__", "."): text for key, text in params.items()},
            tags={"data.digest": digest, "git.commit": "c1", "git.dirty": "false"},
            inputs=[
                {"name": data, "digest": digest, "source": "s", "context": "all", "rows": 20, "groups": None}
            ],
        )
        journal.close()
        folds = max((len(values) for values in scores.values()), default=1)
        _divide(folder, folds, rows)
        if predicted is not None:
            numbers = any(isinstance(value, float) for value in predicted)
            more = "" if numbers else ",0.5" * 3
            lines = [f"{rows + row},0,{row % 2},{value}{more}" for row, value in enumerate(predicted)]
            header = "row,fold,target,prediction" + (
                "" if numbers else ",probability_0,probability_1,probability_2"
            )
            (folder / "predictions.csv").write_text("\n".join([header, *lines]) + "\n")
        summaries = {full: summarise(values) for full, values in scores.items()}
        Result(status=status, scores=summaries, folds=folds, seconds=2.0).write(folder / "result.json")
        return folder

    return run


def _divide(folder: Path, folds: int, shift: int) -> None:
    parts = np.ones((folds, 20), dtype=np.uint8)
    for fold in range(folds):
        parts[fold, np.arange(5 * fold, 5 * fold + 5) % 20 + shift] = 3
    np.savez_compressed(folder / "folds.npz", parts=parts, number=np.arange(folds))
