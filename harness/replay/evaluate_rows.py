"""Reads the rows of an evaluation, and those that the model was trained on, with the columns of the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.bundle.bundle import Bundle
from harness.bundle.raw_rows import ARRAY
from harness.bundle.row_predictor import typed
from harness.core.errors import UserError
from harness.core.fold import PART_CODES
from harness.core.name_list import listed
from harness.core.table import Table
from harness.data.cache.cache import Cache
from harness.prepare import data_pipeline
from harness.prepare.parts import Parts
from harness.runs import fold_rows
from harness.runs.stored_run import StoredRun
from harness.runtime.inner_path import confined

TRAIN, TEST = PART_CODES["train"], PART_CODES["test"]


@dataclass(frozen=True)
class Trained:
    """The rows that the models were trained on.

    table  the training table; None if it can no longer be read
    parts  (members, N) uint8 as `harness.runs.fold_rows.parts_of`: of each model that predicts; a refit has
           learned            all rows
    why    the reason why there is no table
    """

    table: Table | None
    parts: np.ndarray | None
    why: str = ""

    @property
    def learned(self) -> np.ndarray:
        """Returns (n,) int64: the labelled rows on which at least one member was fitted."""
        if self.table is None or self.parts is None:
            return np.empty(0, dtype=np.int64)
        rows: np.ndarray = np.flatnonzero((self.parts == TRAIN).any(axis=0))
        return rows

    @property
    def untouched(self) -> np.ndarray:
        """Returns (n,) int64: the rows that are test rows of every member."""
        if self.parts is None:
            return np.empty(0, dtype=np.int64)
        rows: np.ndarray = np.flatnonzero((self.parts == TEST).all(axis=0))
        return rows


def read_rows(parts: Parts, bundle: Bundle, cache: Cache) -> Table:
    """Reads the rows of `data.extract`, with the columns, types and task of the bundle.

    Raises:
        UserError: the source cannot be read, or lacks what the model needs.
    """
    table = _as_trained(data_pipeline.extract_rows(parts, cache), bundle)
    table = data_pipeline.arrange_rows(parts, table, cache)
    return table.with_task(bundle.task)  # these rows alone may lack a class


def require_targets(table: Table, bundle: Bundle) -> None:
    """Checks that there are targets to compare predictions with.

    Raises:
        UserError: there is no target column, or no row has a target.
    """
    if not bundle.task.labelled:
        return
    if not table.target:
        raise UserError(
            f"evaluate compares predictions with targets, and {table.name} has no target column",
            "name it with data.extract.target=COLUMN, or use predict",
        )
    if not table.labelled.any():
        raise UserError(
            f"evaluate compares predictions with targets, and no row of {table.name} has a value in "
            f"{listed(table.target, most=10)}",
            "give rows that have, or use predict",
        )


def trained_rows(logged: StoredRun, bundle: Bundle, members: list[int] | None, table: Table) -> Trained:
    """Returns the training rows of the models: `table` if it is the same data, else read again.

    Args:
        members: numbers of the folds whose models predict; None: a refit.
        table: the rows of the evaluation.
    """
    digest = logged.tags.get("data.digest")
    parts = _parts(logged, members)
    if table.digest == digest:
        return Trained(table, parts)
    try:
        with_secrets = logged.config.copy()
        with_secrets.data.cache = "off"
        with confined(logged.foreign):
            first = read_rows(Parts(with_secrets), bundle, Cache(None))
    except Exception as error:  # a missing source can raise any error
        return Trained(None, parts, f"they cannot be read any more ({' '.join(str(error).split())})")
    if first.digest != digest:
        return Trained(
            None, parts, f"{first.name} has changed since (data.digest {digest}, now {first.digest})"
        )
    if parts is None:
        return Trained(None, None, f"its {fold_rows.ROWS} is missing")
    return Trained(first, parts)


def _parts(logged: StoredRun, members: list[int] | None) -> np.ndarray | None:
    stored = fold_rows.read_rows(logged.folder)
    if stored is None:
        return None
    numbers, parts = stored.number, stored.parts
    if members is None:
        return np.where(parts.any(axis=0), TRAIN, 0).astype(np.uint8)[None]
    codes: np.ndarray = parts if len(numbers) == 1 else parts[np.isin(numbers, members)]
    return codes


def _as_trained(table: Table, bundle: Bundle) -> Table:
    """Returns the table with only the features of the bundle, in their order and types.

    Raises:
        UserError: one is missing or is of another kind.
    """
    if table.kind != bundle.kind:
        raise UserError(
            f"the model was trained on rows of kind {bundle.kind!r}, and {table.name} has rows of kind "
            f"{table.kind!r}",
            f"set data.extract.kind={bundle.kind}, or choose other data",
        )
    if table.array is not None or ARRAY in bundle.columns:
        shape = None if table.array is None else table.array.shape[1:]
        if shape != bundle.array:
            raise UserError(
                f"the model was trained on {_shaped(bundle.array)}, and {table.name} gives {_shaped(shape)}",
                "give rows as the source of the run gave them",
            )
        return table
    missing = [name for name in bundle.columns if name not in table.frame.columns]
    if missing:
        raise UserError(
            f"the model needs the {len(bundle.columns)} columns that it was trained on, and "
            f"{table.name} lacks "
            f"{len(missing)} of them, {missing[0]!r} first",
            "give rows as the source of the run gave them",
        )
    frame = table.frame.copy(deep=False)
    for name, kind in bundle.columns.items():
        if name != bundle.id:
            frame[name] = typed(frame[name], kind)
    features = tuple(name for name in bundle.columns if name not in (bundle.id, bundle.time))
    return table.with_features(frame, features, bundle.image)


def _shaped(shape: tuple[int, ...] | None) -> str:
    return "columns" if shape is None else f"arrays of shape {shape}"
