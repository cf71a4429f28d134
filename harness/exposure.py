"""Exposure: which rows of a fold the weights that it starts from have already seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from harness.build import target
from harness.errors import UserError
from harness.fold import Fold
from harness.journal import read
from harness.parts import ROWS
from harness.production.bundle import FACTS
from harness.table import Table

_TRAIN, _VALID, _UNLABELLED = 1, 2, 4
"""As `harness.parts` writes them."""


def exposure(file: Path, run: Path, table: Table, fold: Fold) -> Iterator[str]:
    """What of the fold's test and validation rows the training behind a file of weights has seen.

    Raises:
        UserError: it has learned test rows with their labels, so that no score of theirs means anything.
    """
    if _digest(run) != table.digest:
        yield (
            f"model.weights come from {run}, which had other data (or another version of it): whether it has "
            "seen rows of this test part is not known"
        )
        return
    parts = _parts(file, run)
    if parts is None:
        yield f"which rows {run} learned its weights from is not known: its {ROWS} is missing or damaged"
        return
    labels, wide = _ways(file, run)
    learned = (parts == _TRAIN) & labels
    seen = ((parts == _TRAIN) & (not labels)) | ((parts == _UNLABELLED) & wide)
    rows = int(learned[fold.test].sum())
    if rows:
        raise UserError(
            f"model.weights come from {run}, which learned the labels of {rows:,} of the {len(fold.test):,} "
            f"test rows of fold {fold.number}; divide the rows as that run did (split, split.seed), or start "
            "from weights that were learned without labels."
        )
    rows = int(seen[fold.test].sum())
    if rows:
        yield f"{rows:,} of the {len(fold.test):,} test rows were seen, without labels, by {run}"
    chosen = int((parts[fold.test] == _VALID).sum())
    if chosen:
        yield f"{chosen:,} of the {len(fold.test):,} test rows chose the best epoch of {run}"
    known = int(learned[fold.valid].sum())
    if known:
        yield (
            f"{run} learned the labels of {known:,} of the {len(fold.valid):,} validation rows: their scores "
            "promise too much"
        )


def _digest(run: Path) -> str | None:
    """Of the data of a run, as its journal tells it."""
    starts = [event for event in read(run)[0] if event["event"] == "start" and event["run"] == ""]
    return str(starts[-1]["tags"].get("data.digest")) if starts else None


def _parts(file: Path, run: Path) -> np.ndarray | None:
    """(N,) uint8, the part of each row when the file was trained; of several folds, of the file's own."""
    words = [part.removeprefix("fold-") for part in file.relative_to(run).parts if part.startswith("fold-")]
    try:
        with np.load(run / ROWS) as stored:
            numbers, parts = stored["number"], stored["parts"]
    except (OSError, KeyError, ValueError):
        return None
    places = np.flatnonzero(numbers == int(words[0])) if words and words[0].isdecimal() else np.array([0])
    found: np.ndarray | None = parts[places[0]] if len(places) else None
    return found


def _ways(file: Path, run: Path) -> tuple[bool, bool]:
    """Whether the training learned from labels, and whether it learned from unlabelled rows as well.

    Of a class that is not here any more, the worse is assumed.
    """
    config = _config(file, run)
    node = config["trainer"]
    try:
        trainer: Any = target(node, "trainer")
    except (UserError, KeyError, TypeError):
        return True, True
    method = node.get("method")
    pulls = isinstance(method, dict) and bool(method.get("labels"))
    wide = trainer.learns == "representation" or bool(getattr(trainer, "learns_unlabelled", False))
    wide = wide or (config.get("pretrain") or {}).get("words") is not None
    return bool(trainer.needs_labels) or pulls, wide


def _config(file: Path, run: Path) -> dict[str, Any]:
    """The configuration of the training: the bundle's that the file is part of, or the run's."""
    facts = file.parent / FACTS
    if facts.is_file():
        config: Any = json.loads(facts.read_text())["config"]
    else:
        config = OmegaConf.to_container(OmegaConf.load(run / "config.yaml"))
    return dict(config)
