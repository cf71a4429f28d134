"""Finds rows of a fold that its initial weights were already trained on, in any earlier run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import OmegaConf

from harness.config.instantiate import target
from harness.core.errors import UserError
from harness.core.fold import PART_CODES, Fold
from harness.core.table import Table
from harness.runs.bundle_files import FACTS, read_facts
from harness.runs.fold_rows import ROWS, read_rows
from harness.runs.journal import JOURNAL, read
from harness.runtime.config_nodes import load_config

_TRAIN, _VALID, _UNLABELLED = PART_CODES["train"], PART_CODES["valid"], PART_CODES["unlabelled"]

_PRETRAINED = Path("pretrain", "model", FACTS)
"""Of a fold's pre-training, as `harness.pretrain` leaves it."""


def run_of(file: Path) -> Path | None:
    """The folder of the run that a file is part of; None of a file from elsewhere."""
    return next((folder for folder in file.parents if (folder / JOURNAL).exists()), None)


def learned_row_notes(file: Path, table: Table, fold: Fold) -> Iterator[str]:
    """Sentences about the fold's test and validation rows that the training of these weights has seen.

    They cover the run that learned the weights, the run whose weights that one started from, and so on.

    Raises:
        UserError: one has learned test rows with their labels, so that no score of theirs means anything.
    """
    run = run_of(file)
    if run is None:
        return
    yield from _notes_on_run(file, run, table, fold)
    tags = _tags(run, _fold_folder(file, run)) or _tags(run, "")  # few folds have a start event of their own
    earlier = tags.get("weights.file")
    if earlier is None:
        return
    if "weights.run" in tags and run_of(Path(earlier)) is None:
        yield f"{run} started from {earlier}, whose run is gone: which rows it had learned is not known"
    yield from learned_row_notes(Path(earlier), table, fold)


def _notes_on_run(file: Path, run: Path, table: Table, fold: Fold) -> Iterator[str]:
    """Sentences about the rows that the training of one run has seen.

    Raises:
        UserError: test rows with their labels.
    """
    if _digest(run) != table.digest:
        yield (
            f"model.weights come from {run}, which had other data (or another version of it): whether it has "
            "seen rows of this test part is not known"
        )
        return
    parts = _parts(file, run)
    if parts is None:
        yield f"which rows {run} learned its weights from is not known: its {ROWS} is missing"
        return
    labels, wide = _learned_from(file, run)
    learned = (parts == _TRAIN) & labels
    seen = ((parts == _TRAIN) & (not labels)) | ((parts == _UNLABELLED) & wide)
    rows = int(learned[fold.test].sum())
    if rows:
        raise UserError(
            f"model.weights come from {run}, which learned the labels of {rows:,} of the {len(fold.test):,} "
            f"test rows of fold {fold.number}",
            "divide the rows as that run did (split, split.seed), or start from weights that were learned "
            "without labels",
            key="model.weights",
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
    """The digest of a run's data, from its journal."""
    digest = _tags(run, "").get("data.digest")
    return None if digest is None else str(digest)


def _tags(run: Path, key: str) -> dict[str, Any]:
    """The tags of the start event of a run or of one of its folds; {}: there is none."""
    starts = [event for event in read(run)[0] if event["event"] == "start" and event["run"] == key]
    return dict(starts[-1]["tags"]) if starts else {}


def _fold_folder(file: Path, run: Path) -> str:
    """The folder of the fold that a file belongs to, such as fold-3; "": the run has one fold."""
    return next((part for part in file.relative_to(run).parts if part.startswith("fold-")), "")


def _parts(file: Path, run: Path) -> np.ndarray | None:
    """(N,) uint8, the part of each row when the file was trained; of several folds, of the file's own."""
    word = _fold_folder(file, run).removeprefix("fold-")
    stored = read_rows(run)
    if stored is None:
        return None
    numbers, parts = stored.number, stored.parts
    places = np.flatnonzero(numbers == int(word)) if word.isdecimal() else np.array([0])
    codes: np.ndarray | None = parts[places[0]] if len(places) else None
    return codes


def _learned_from(file: Path, run: Path) -> tuple[bool, bool]:
    """Whether the training learned from labels, and whether it learned from unlabelled rows as well; or the
    pre-training that it began with.
    """
    config = training_config(file, run)
    ways = [_trainer_learned_from(config["trainer"])]
    if (config.get("pretrain") or {}).get("words") is not None:
        first = next((place for folder in file.parents if (place := folder / _PRETRAINED).is_file()), None)
        ways.append(
            (True, True)
            if first is None
            else _trainer_learned_from(read_facts(first.parent)["config"]["trainer"])
        )
    labels, wide = zip(*ways, strict=True)
    return any(labels), any(wide)


def _trainer_learned_from(node: dict[str, Any]) -> tuple[bool, bool]:
    """As `_learned_from`, of one trainer. For a class that no longer exists, both are assumed."""
    try:
        trainer: Any = target(node, "trainer")
    except (UserError, KeyError, TypeError):
        return True, True
    method = node.get("method")
    pulls = isinstance(method, dict) and bool(method.get("labels"))
    wide = trainer.learns == "representation" or bool(trainer.learns_unlabelled)
    return bool(trainer.needs_labels) or pulls, wide


def training_config(file: Path, run: Path) -> dict[str, Any]:
    """The configuration of the training: the bundle's that the file is part of, or the run's."""
    facts = file.parent / FACTS
    if facts.is_file():
        config: Any = read_facts(facts.parent)["config"]
    else:
        config = OmegaConf.to_container(load_config(run / "config.yaml"))
    return dict(config)
