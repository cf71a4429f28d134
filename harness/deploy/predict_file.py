"""Predict: a file of raw rows, however long -> the same rows with their predictions."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pyarrow as pa
import torch

from harness.bundle import allowlist
from harness.bundle.bundle import Bundle, read
from harness.bundle.ensemble import Ensemble, write
from harness.bundle.row_predictor import RowPredictor, require
from harness.core.errors import UserError
from harness.deploy.prediction_writer import open_sink
from harness.deploy.row_chunk import Piece, Source
from harness.deploy.row_reader import rows_at_once
from harness.runs.bundle_files import FACTS
from harness.runs.stored_run import find
from harness.tracking.fetch_run import fetcher
from harness.trainer.device import find_device

_SAID_EVERY = 0.5  # seconds
_NAMED = 5  # a line names this many values at most
_MOST_UNSEEN = 10_000  # values of a column

_TYPES = {"string": pa.string(), "long": pa.int64(), "double": pa.float64()}


@dataclass
class Account:
    """What was seen on the way.

    rows     read
    answers  written: as many, but of events one per sequence
    gaps     by column of the model, how many rows lack a value
    unseen   by column, the categories that no training row had
    """

    rows: int = 0
    answers: int = 0
    seconds: float = 0.0
    gaps: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, set[str]] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """The lines about it, one a fact."""
        found = []
        for column, values in self.unseen.items():
            told = [repr(value) for value in sorted(values)]  # with whatever a terminal would obey, escaped
            found.append(
                f"column {column!r} holds {_some(told)}, which no training row had; "
                "data.transform answers as it does for the unknown."
            )
        if self.gaps:
            told = [f"{column!r} ({count:,})" for column, count in self.gaps.items()]
            found.append(f"values are missing in {_some(told)}; data.transform fills them as in training.")
        return found


@contextmanager
def located(
    word: str, outputs: Path, *, uri: str | None, ensemble: bool, allow: Sequence[str] = ()
) -> Iterator[Path]:
    """Within it, the folder of the bundle that a user means.

    Args:
        word: a run, the folder of a bundle or of a saved MLflow model, or an address in MLflow.
        uri: of the MLflow store, for an address or a run's id.
        ensemble: of a run of several folds, the mean over the models that it kept.
        allow: further packages that a model from elsewhere may name, see `harness.bundle.allowlist`.

    Raises:
        UserError: there is none, or several and none that stands for them, or it names what it may not.
    """
    from harness.deploy.registry_download import SCHEMES, fetch

    with TemporaryDirectory() as scratch:
        folder = Path(word).expanduser()
        if word.startswith(SCHEMES) or (folder / FACTS).exists() or (folder / "MLmodel").exists():
            if ensemble:
                raise UserError(
                    f"--ensemble puts the folds of a run together, and {word} is no run", "leave it out"
                )
            if word.startswith(SCHEMES):
                yield fetch(word, uri, outputs, Path(scratch), allow)
            else:
                found = _bundle(folder)
                allowlist.check_bundle(found, outputs, allow)
                yield found
            return
        logged = find(word, outputs, fetcher(uri))
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
        batch: rows that the network sees at once.

    Raises:
        UserError: there is no such device, or the representation of an ensemble is asked for.
    """
    try:
        place = str(find_device(device))
    except UserError as error:
        raise UserError(str(error).replace("trainer.device=", "--device ")) from error
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


def check(bundle: Bundle, source: Source) -> list[str]:
    """Whether the rows are such that the model takes; the columns that it does not look at.

    Raises:
        UserError: a column is missing, or one has the name of an answer.
    """
    require(bundle, source.columns)
    kept = [bundle.id] if bundle.id is not None else source.columns
    clash = [name for name in bundle.outputs if name in kept]
    if clash:
        raise UserError(
            f"the answer adds a column {clash[0]!r}, which IN has already", "rename or remove that one in IN"
        )
    return [name for name in source.columns if name not in bundle.columns and name != "row"]


def predict(predictor: RowPredictor | Ensemble, source: Source, path: Path, *, batch: int) -> Account:
    """Writes the rows of the source with their answers behind them, in pieces of constant size.

    Rows that are events are read as a whole, since those of a sequence may lie far apart, and written
    once per sequence, with its id. The answers are those of one call with all rows, to the last bit.

    Args:
        path: .csv, .csv.gz or .parquet; appears whole or not at all.
        batch: rows that the network sees at once.

    Raises:
        UserError: there are no rows, or one holds what the model cannot take; nothing is written.
        OSError: the disk is full, or the folder cannot be written.
    """
    account, began = Account(), time.monotonic()
    bundle = predictor.bundle
    screen = _Screen()
    with open_sink(path) as sink:
        try:
            for piece in source.pieces(None if bundle.id is not None else rows_at_once(bundle, batch)):
                table = _answered(predictor, piece, account)
                sink.write(table)
                account.answers += len(table)
                account.seconds = time.monotonic() - began
                screen.show(account)
        finally:
            screen.clear()  # what is said next, an error too, stands on a line of its own
        if not account.rows:
            raise UserError("IN has no rows, only columns", "name a file with some")
    account.seconds = time.monotonic() - began
    return account


def _answered(predictor: RowPredictor | Ensemble, piece: Piece, account: Account) -> pa.Table:
    """A piece with its answers, written into the account."""
    rows, bundle = piece.rows, predictor.bundle
    try:
        answers = predictor(rows)
    except torch.OutOfMemoryError as error:
        raise UserError(
            "the model's answers do not fit into the device's memory", "use a smaller --batch"
        ) from error
    account.rows += len(rows)
    if bundle.array is None:
        for column, count in rows[list(bundle.columns)].isna().sum().items():
            if count:
                account.gaps[str(column)] = account.gaps.get(str(column), 0) + int(count)
        for column, values in _unseen(predictor, rows).items():
            known = account.unseen.setdefault(column, set())
            if len(known) < _MOST_UNSEEN:  # of a column of free text, each row has another
                known.update(values)
    table = piece.carried
    if bundle.id is not None:
        table = pa.table({bundle.id: pa.Array.from_pandas(answers.index)})
    for name, kind in bundle.outputs.items():
        table = table.append_column(name, pa.array(answers[name].to_numpy(), _TYPES[kind]))
    return table


def _unseen(predictor: RowPredictor | Ensemble, rows: pd.DataFrame) -> dict[str, set[str]]:
    """The categories that no model has seen."""
    members = predictor.members if isinstance(predictor, Ensemble) else [predictor]
    found = [{column: set(values) for column, values in one.unseen(rows).items()} for one in members]
    shared = {
        column: values.intersection(*(one.get(column, set()) for one in found))
        for column, values in found[0].items()
    }
    return {column: values for column, values in shared.items() if values}


def _bundle(folder: Path) -> Path:
    """The bundle in a folder, or in that of an MLflow model.

    Raises:
        UserError: the MLflow model has none.
    """
    if (folder / FACTS).exists():
        return folder
    found = sorted(folder.glob(f"artifacts/*/{FACTS}"))
    if not found:
        raise UserError(f"{folder} is no model that a run of harness has made", "name one that is")
    return found[0].parent


class _Screen:
    """One line on a terminal that tells how far it is."""

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


def _some(names: list[str]) -> str:
    others = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {others} more" if others > 0 else "")
