"""The ledger of test rows: which of them are sealed, and how often their scores were looked at.

<outputs>/test_rows/<name>/     one folder per set of test rows
    rows.npz                    which rows of which data
    seal.npz                    when they were sealed, and digests of their contents
    unsealed.json               when, and for which run, the seal was opened
    looks/<time>-<token>-<model>.json   one per look at their scores, named by a digest of the model

Every entry is a file of its own that exists whole or not at all and is never changed. So several processes,
also on several machines that share the folder, need no lock.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Any, final

import numpy as np
import pandas as pd

from harness.core.errors import UnknownName
from harness.core.table import Table
from harness.runs.held_out_rows import HeldOutRows
from harness.runs.row_contents import array_contents, distinct_contents, frame_contents
from harness.runs.seal_errors import Looks, Opened, SealedRows, SeenBefore, Unsealed
from harness.runtime.atomic_file import write_new
from harness.runtime.stored_file import read_json, reading

LEDGER = "test_rows"
"""The folder of the ledger below `outputs`."""

_ROWS, _SEAL, _UNSEALED, _LOOKS = "rows.npz", "seal.npz", "unsealed.json", "looks"

_PARSING = Lock()
"""NumPy reads the head of an array by Python's parser, which now and then fails where threads parse at once:
"AST constructor recursion depth mismatch" in Python 3.11."""


@dataclass(frozen=True)
class Seal:
    """Sealed test rows.

    name     of the seal
    tested   the rows
    known    (m,) uint64, the contents of those rows that no other row of the data has
    columns  whose contents these are; empty: of an array
    opened   the run for which it was opened and the time; None: it is closed
    """

    name: str
    tested: HeldOutRows
    known: np.ndarray
    columns: tuple[str, ...]
    opened: Opened | None


@final
class LookLedger:
    """The ledger of an outputs folder."""

    def __init__(self, outputs: Path) -> None:
        self.folder = outputs / LEDGER

    def seals(self) -> Iterator[Seal]:
        """All seals, those that were opened too."""
        for path in sorted(self.folder.glob(f"*/{_SEAL}")):
            yield self._read_seal(path.parent)

    def closed(self) -> list[Seal]:
        """The seals that nobody has opened."""
        return [seal for seal in self.seals() if seal.opened is None]

    def find(self, name: str) -> Seal:
        """Returns a seal.

        Raises:
            UnknownName: there is none of that name.
        """
        for seal in self.seals():
            if seal.name == name:
                return seal
        known = [seal.name for seal in self.seals()]
        hint = "" if known else "a run with split.sealed=true seals its test rows and prints the name."
        raise UnknownName(f"there is no seal {name!r} below {self.folder.parent}", name, known, hint=hint)

    def require_open(self, tested: HeldOutRows, what: str, remedy: str = "") -> None:
        """Checks that none of the rows is sealed.

        Args:
            what: what scores them, for the message.
            remedy: instead of opening the seal.

        Raises:
            SealedRows: some are.
        """
        _require_none_shared(self.closed(), tested, what, remedy)

    def require_sealable(self, tested: HeldOutRows) -> None:
        """Checks that the rows are sealed, or may be.

        Raises:
            Unsealed: their seal was opened.
            SealedRows: some of them have another seal.
            SeenBefore: their scores were looked at.
        """
        seals = list(self.seals())  # read once: another process may add one
        for seal in seals:
            if seal.name == tested.name and seal.opened is None:
                return
            if seal.name == tested.name and seal.opened is not None:
                remedy = "leave split.sealed=true out: these rows are test rows like any other now"
                raise Unsealed(seal.name, seal.opened["run"], seal.opened["time"], remedy)
        what = f"split.sealed=true seals the {len(tested.rows):,} test rows of a split"
        remedy = "use the split and the data of that seal"
        _require_none_shared([seal for seal in seals if seal.opened is None], tested, what, remedy)
        looks = self.looks(tested)
        if looks.number:
            raise SeenBefore(len(tested.rows), looks)

    def seal(self, table: Table, tested: HeldOutRows) -> Seal:
        """Seals the test rows of a table, unless they are sealed; returns the seal.

        Raises:
            UserError: as `require_sealable`.
            OSError: the ledger cannot be written.
        """
        self.require_sealable(tested)
        folder = self._folder(tested)
        if not (folder / _SEAL).exists():
            known, columns = distinct_contents(table, tested.rows)
            _write_arrays(folder / _SEAL, {"time": _now(), "columns": columns}, known=known)
        return self._read_seal(folder)

    def unseal(self, name: str, run: str) -> Seal:
        """Opens a seal for a run; a run for which it was opened before may be scored again.

        Raises:
            UnknownName: there is no such seal.
            Unsealed: it was opened for another run.
            OSError: the ledger cannot be written.
        """
        seal = self.find(name)
        content: Opened = {"run": run, "time": _now()}
        with suppress(FileExistsError):
            write_new(self.folder / name / _UNSEALED, f"{json.dumps(content)}\n".encode())
        opened = self._read_seal(self.folder / name).opened
        if opened is not None and opened["run"] != run:
            raise Unsealed(name, opened["run"], opened["time"])
        return seal

    def opened_for_another(self, test_rows: Mapping[str, Any] | None, run: str) -> Opened | None:
        """The opening of the seal of a run's test rows for another run; None: there was none.

        Args:
            test_rows: the entry of the run's `result.json`.
            run: its label.
        """
        if not test_rows or test_rows["sealed"] is None:
            return None
        opened = self._opening(self.folder / test_rows["sealed"])
        return None if opened is None or opened["run"] == run else opened

    def close_again(self, seal: Seal) -> None:
        """Takes the opening of a seal back: nothing was scored."""
        (self.folder / seal.name / _UNSEALED).unlink(missing_ok=True)

    def looks(self, tested: HeldOutRows, exactly: bool = False) -> Looks:
        """How often any of the rows were looked at, or exactly these."""
        folders = [self.folder / tested.name] if exactly else sorted(self.folder.glob("*/"))
        found: list[str] = []
        for folder in folders:
            files = [path.stem for path in (folder / _LOOKS).glob("*.json")]
            if files and (exactly or tested.shared(_read_rows(folder))):
                found += files
        return Looks(len(found), len({stem.rpartition("-")[2] for stem in found}))

    def add_look(self, tested: HeldOutRows, model: str, run: str = "") -> Looks:
        """Counts a look at the scores of a model on the rows; returns all looks so far.

        Args:
            model: names it, see `harness.runs.model_identity`.
            run: the folder of its run, for a reader of the ledger.

        Raises:
            OSError: the ledger cannot be written.
        """
        folder = self._folder(tested)
        (folder / _LOOKS).mkdir(exist_ok=True)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        path = folder / _LOOKS / f"{stamp}-{token_hex(4)}-{sha256(model.encode()).hexdigest()[:8]}.json"
        write_new(path, f"{json.dumps({'model': run or model, 'time': _now()})}\n".encode(), lasting=False)
        return self.looks(tested, exactly=True)

    def _folder(self, tested: HeldOutRows) -> Path:
        """The folder of the rows, made if there is none."""
        folder = self.folder / tested.name
        if not (folder / _ROWS).exists():
            folder.mkdir(parents=True, exist_ok=True)
            facts = {"data": tested.data, "source": tested.source, "digest": tested.digest}
            mask = np.zeros(tested.total, dtype=bool)
            mask[tested.rows] = True
            _write_arrays(folder / _ROWS, facts, mask=np.packbits(mask), total=np.array(tested.total))
        return folder

    def _read_seal(self, folder: Path) -> Seal:
        with _arrays(folder / _SEAL) as stored:
            columns: tuple[str, ...] = tuple(_facts(stored)["columns"])
            known = stored["known"]
        return Seal(folder.name, _read_rows(folder), known, columns, self._opening(folder))

    def _opening(self, folder: Path) -> Opened | None:
        opened: Opened | None = None
        with suppress(FileNotFoundError):
            opened = read_json(folder / _UNSEALED, Opened)
        return opened


@contextmanager
def _arrays(path: Path) -> Iterator[np.lib.npyio.NpzFile]:
    with _PARSING, reading(path), np.load(path, allow_pickle=False) as stored:
        yield stored


def _read_rows(folder: Path) -> HeldOutRows:
    with _arrays(folder / _ROWS) as stored:
        facts, total = _facts(stored), int(stored["total"])
        rows = np.flatnonzero(np.unpackbits(stored["mask"], count=total)).astype(np.int64)
        return HeldOutRows(facts["data"], facts["source"], facts["digest"], total, rows)


def _write_arrays(path: Path, facts: Mapping[str, Any], **arrays: np.ndarray) -> None:
    """Writes an entry; if another process wrote it at the same time, that one stays."""
    text = np.frombuffer(json.dumps(facts).encode(), dtype=np.uint8)
    file = BytesIO()
    np.savez_compressed(file, facts=text, **arrays)  # type: ignore[arg-type]
    with suppress(FileExistsError):
        write_new(path, file.getvalue())


def _facts(stored: np.lib.npyio.NpzFile) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(stored["facts"].tobytes())
    return facts


def _require_none_shared(seals: Iterable[Seal], tested: HeldOutRows, what: str, remedy: str) -> None:
    for seal in seals:
        count = tested.shared(seal.tested)
        if count:
            opening = _opening(seal)
            raise SealedRows(seal.name, count, what, f"{remedy}; {opening}" if remedy else opening)


def require_none_sealed(
    seals: Sequence[Seal], frame: pd.DataFrame, array: np.ndarray | None, what: str
) -> None:
    """Checks that no row has the contents of a sealed row.

    Args:
        seals: those that are closed.
        frame: the rows.
        array: their features where these are in no column; None: they are columns.
        what: what becomes of the rows, for the message.

    Raises:
        SealedRows: some have.
    """
    for seal in seals:
        if not len(seal.known) or (array is None) != bool(seal.columns):
            continue
        if array is not None:
            contents = array_contents(array)
        elif set(seal.columns) <= set(frame.columns):
            contents = frame_contents(frame, seal.columns)
        else:
            continue
        count = int(np.isin(contents, seal.known).sum())
        if count:
            raise SealedRows(seal.name, count, what, _opening(seal))


def _opening(seal: Seal) -> str:
    return f"`python -m harness unseal {seal.name} --run RUN` opens the seal, once"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
