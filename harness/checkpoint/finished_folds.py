"""Scores and outputs of each finished fold, on the disk until the run is finished too."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, NamedTuple, final

from torch import Tensor

from harness.checkpoint.checkpoint_file import ENDING, DamagedCheckpoint, read, write
from harness.core.baseline_names import with_baseline_names

FOLDER = "done"


class FoldOutcome(NamedTuple):
    """The results of a fold.

    scores     by full name
    outputs    (rows, targets, outputs) of its test rows, as `harness.record.predictions.RowOutputs`; None
               without any
    intervals  of baseline minus network over the rows, by the full name of the baseline's score
    importance of the columns, as plain values; None where it was not computed
    """

    scores: dict[str, float]
    outputs: tuple[Tensor, Tensor | None, Tensor] | None
    intervals: dict[str, tuple[float, float]] | None = None
    importance: dict[str, Any] | None = None


@final
class Done:
    """The outcomes of a run's folds by number, a file each in `<folder of the run>/done`."""

    def __init__(self, run: Path) -> None:
        self._folder = run / FOLDER

    def write(self, fold: int, outcome: FoldOutcome) -> None:
        """Writes an outcome. A power cut may lose it; the fold is then trained again.

        Raises:
            OSError: the disk is full, or the folder cannot be written.
        """
        self._folder.mkdir(exist_ok=True)
        write(self._folder / f"fold-{fold:04}{ENDING}", tuple(outcome), {"fold": fold}, lasting=False)

    def read(self) -> dict[int, FoldOutcome]:
        """Every outcome that is intact."""
        outcomes = {}
        for path in sorted(self._folder.glob(f"fold-*{ENDING}")):
            try:
                scores, outputs, *others = read(path)
                outcome = FoldOutcome(with_baseline_names(scores), outputs, *others)
                outcomes[int(path.stem.removeprefix("fold-"))] = outcome
            except (DamagedCheckpoint, OSError, ValueError, TypeError):
                continue  # a process died while it wrote: that fold is not done
        return outcomes

    def clear(self) -> None:
        """Removes the outcomes, once the run is finished."""
        shutil.rmtree(self._folder, ignore_errors=True)
