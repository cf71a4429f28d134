"""Predicts a file of raw rows of any length and writes the rows with their predictions."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch

from harness.bundle import allowlist
from harness.bundle.bundle import Bundle, read
from harness.bundle.ensemble import Ensemble, write
from harness.bundle.range_counts import RangeCounts, beyond_all
from harness.bundle.raw_rows import ARRAY
from harness.bundle.row_predictor import RowPredictor, require, typed
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.user_path import user_path
from harness.deploy.prediction_writer import open_sink
from harness.deploy.row_chunk import Piece, Source
from harness.deploy.row_reader import rows_at_once
from harness.runs.bundle_files import FACTS
from harness.runs.look_ledger import Seal, require_none_sealed
from harness.runs.outputs import Outputs
from harness.tracking.fetch_run import fetcher
from harness.trainer.device import find_device

_SAID_EVERY = 0.5  # seconds
_NAMED = 5  # a line names this many values at most
_MOST_UNSEEN = 10_000  # values of a column

_TYPES = {"string": pa.string(), "long": pa.int64(), "double": pa.float64()}


@dataclass
class Account:
    """Counts collected while predicting.

    rows     rows read
    answers  rows written: as many, or one per sequence for events
    gaps     by column of the model, the number of missing values
    unseen   by column, the categories that did not occur in training
    ranges   the rows beyond the range of the training rows
    """

    rows: int = 0
    answers: int = 0
    seconds: float = 0.0
    gaps: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, set[str]] = field(default_factory=dict)
    ranges: RangeCounts = field(default_factory=RangeCounts)

    def lines(self) -> list[str]:
        """One line of text for each fact."""
        lines = []
        for column, values in self.unseen.items():
            texts = [repr(value) for value in sorted(values)]  # repr escapes control characters
            lines.append(
                f"column {column!r} holds {listed(texts, _NAMED)}, which no training row had; "
                "data.transform answers as it does for the unknown."
            )
        if self.ranges.sentence:
            lines.append(self.ranges.sentence)
        if self.gaps:
            texts = [f"{column!r} ({count:,})" for column, count in self.gaps.items()]
            lines.append(
                f"values are missing in {listed(texts, _NAMED)}; data.transform fills them as in training."
            )
        return lines


@contextmanager
def located(
    word: str, outputs: Path, *, uri: str | None, ensemble: bool, allow: Sequence[str] = ()
) -> Iterator[Path]:
    """The folder of the bundle that the user named.

    Args:
        word: a run, the folder of a bundle or of a saved MLflow model, or a model address in MLflow.
        uri: of the MLflow store, for a model address or a run id.
        ensemble: for a run of several folds, use the mean of its models.
        allow: further packages that a model from elsewhere may name, see `harness.bundle.allowlist`.

    Raises:
        UserError: there is no model, there are several without a refit or ensemble, or a part is not allowed.
    """
    from harness.deploy.registry_download import SCHEMES, fetch

    with TemporaryDirectory() as scratch:
        folder = user_path(word)
        if word.startswith(SCHEMES) or (folder / FACTS).exists() or (folder / "MLmodel").exists():
            if ensemble:
                raise UserError(
                    f"--ensemble puts the folds of a run together, and {word} is no run", "leave it out"
                )
            if word.startswith(SCHEMES):
                yield fetch(word, uri, outputs, Path(scratch), allow)
            else:
                model = _bundle(folder)
                allowlist.check_bundle(model, outputs, allow)
                yield model
            return
        logged = Outputs(outputs).find(word, fetcher(uri))
        allowlist.check_models(logged, outputs, allow)
        if ensemble:
            if len(logged.models) < 2:
                raise UserError(
                    f"--ensemble puts the models of several folds together, and {logged.label} has "
                    f"{len(logged.models)}",
                    "leave it out",
                )
            write(Path(scratch) / "ensemble", list(logged.models.values()))
            yield Path(scratch) / "ensemble"
        else:
            yield logged.model


def opened(folder: Path, device: str, *, embed: bool, batch: int) -> RowPredictor | Ensemble:
    """The predictor of a bundle or an ensemble.

    Args:
        device: "auto", "cpu", "cuda" or another name of torch's.
        embed: representations instead of predictions.
        batch: rows per batch.

    Raises:
        UserError: there is no such device, or an ensemble has no representation.
    """
    place = str(find_device(device, "--device "))
    if not read(folder).members:
        return RowPredictor(folder, place, embed=embed, batch=batch)
    if embed:
        raise UserError(
            "--embed needs one model, and this is an ensemble, whose members have axes of their own",
            "name one fold, as RUN/fold-0",
        )
    ensemble = Ensemble(folder, place)
    for member in ensemble.members:
        member.batch = batch
    return ensemble


BEYOND = "beyond_range"
"""The column that counts, for each row, the numbers beyond the range of the training rows."""


def check(bundle: Bundle, source: Source, *, beyond: bool = False) -> list[str]:
    """Checks that the model can take the rows; returns the columns that it does not use.

    Args:
        beyond: whether the column `BEYOND` is added.

    Raises:
        UserError: a column is missing, or has the name of an output column; or the rows have no columns whose
            range is known.
    """
    require(bundle, source.columns)
    kept = [bundle.id] if bundle.id is not None else source.columns
    if beyond and (bundle.array is not None or bundle.id is not None):
        raise UserError(
            "--beyond-range counts the numbers of each row of a table, and this model takes "
            f"{'arrays' if bundle.array is not None else 'sequences of events'}",
            "leave it out",
        )
    clash = [name for name in [*bundle.outputs, *([BEYOND] if beyond else [])] if name in kept]
    if clash:
        raise UserError(
            f"the answer adds a column {clash[0]!r}, which IN has already", "rename or remove that one in IN"
        )
    return [name for name in source.columns if name not in bundle.columns and name != "row"]


def predict(
    predictor: RowPredictor | Ensemble,
    source: Source,
    path: Path,
    *,
    batch: int,
    beyond: bool = False,
    seals: Sequence[Seal] = (),
) -> Account:
    """Writes the rows of the source with their predictions, in chunks of constant size.

    Events are read as a whole, because the events of a sequence may be far apart, and written once per
    sequence with its id. The predictions equal those of one call with all rows to the last bit.

    Args:
        path: .csv, .csv.gz or .parquet; written whole or not at all.
        batch: rows per batch.
        beyond: whether the column `BEYOND` is added.
        seals: whose test rows are not predicted.

    Raises:
        SealedRows: one of the rows has the contents of a sealed test row; nothing is written.
        UserError: there are no rows, or a value does not fit the model; nothing is written.
        OSError: the disk is full, or the folder cannot be written.
    """
    account, began = Account(), time.monotonic()
    bundle = predictor.bundle
    screen = _Screen()
    with open_sink(path) as sink:
        try:
            for piece in source.pieces(None if bundle.id is not None else rows_at_once(bundle, batch)):
                _require_unsealed(predictor.bundle, piece.rows, seals)
                table = _answered(predictor, piece, account, beyond)
                sink.write(table)
                account.answers += len(table)
                account.seconds = time.monotonic() - began
                screen.show(account)
        finally:
            screen.clear()  # the next message starts on a new line
        if not account.rows:
            raise UserError("IN has no rows, only columns", "name a file with some")
    account.seconds = time.monotonic() - began
    return account


def _require_unsealed(bundle: Bundle, rows: pd.DataFrame, seals: Sequence[Seal]) -> None:
    if not seals or bundle.id is not None:
        return
    what = f"{len(rows):,} rows would be predicted"
    if bundle.array is not None:
        require_none_sealed(seals, rows, np.stack(list(rows[ARRAY])), what)
    else:
        plain = pd.DataFrame({name: typed(rows[name], kind) for name, kind in bundle.columns.items()})
        require_none_sealed(seals, plain, None, what)


def _answered(predictor: RowPredictor | Ensemble, piece: Piece, account: Account, beyond: bool) -> pa.Table:
    """Predicts one chunk and updates the counts."""
    rows, bundle = piece.rows, predictor.bundle
    try:
        answers = predictor(rows)
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the model's answers do not fit into the device's memory", "use a smaller --batch"
        ) from error
    account.rows += len(rows)
    far = np.zeros(len(rows), dtype=np.int64)
    if bundle.array is None:
        for column, count in rows[list(bundle.columns)].isna().sum().items():
            if count:
                account.gaps[str(column)] = account.gaps.get(str(column), 0) + int(count)
        for column, values in _unseen(predictor, rows).items():
            known = account.unseen.setdefault(column, set())
            if len(known) < _MOST_UNSEEN:  # a free-text column has a new value in each row
                known.update(values)
        far = account.ranges.add(beyond_all(predictor, rows))
    table = piece.carried
    if bundle.id is not None:
        table = pa.table({bundle.id: pa.Array.from_pandas(answers.index)})
    for name, kind in bundle.outputs.items():
        table = table.append_column(name, pa.array(answers[name].to_numpy(), _TYPES[kind]))
    return table.append_column(BEYOND, pa.array(far)) if beyond else table


def _unseen(predictor: RowPredictor | Ensemble, rows: pd.DataFrame) -> dict[str, set[str]]:
    """The categories that no model has seen in training."""
    members = predictor.members if isinstance(predictor, Ensemble) else [predictor]
    unseen = [{column: set(values) for column, values in one.unseen(rows).items()} for one in members]
    shared = {
        column: values.intersection(*(one.get(column, set()) for one in unseen))
        for column, values in unseen[0].items()
    }
    return {column: values for column, values in shared.items() if values}


def _bundle(folder: Path) -> Path:
    """The bundle in a folder, or in the folder of an MLflow model.

    Raises:
        UserError: the MLflow model has no bundle.
    """
    if (folder / FACTS).exists():
        return folder
    bundles = sorted(folder.glob(f"artifacts/*/{FACTS}"))
    if not bundles:
        raise UserError(f"{folder} is no model that a run of harness has made", "name one that is")
    return bundles[0].parent


class _Screen:
    """One progress line on a terminal."""

    def __init__(self) -> None:
        self._stream: Any = sys.stderr if sys.stderr.isatty() else None
        self._said = 0.0

    def show(self, account: Account) -> None:
        if self._stream is not None and time.monotonic() - self._said > _SAID_EVERY:
            self._said = time.monotonic()
            rate = account.rows / max(account.seconds, 1e-9)
            self._stream.write(f"\r\x1b[K{account.rows:,} rows, {rate:,.0f} rows/s")
            self._stream.flush()

    def clear(self) -> None:
        if self._stream is not None:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
