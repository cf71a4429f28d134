"""Cache: tables and fitted arrays, from memory, from files, or made now."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from harness.bundle import fitted_state
from harness.core.arrays import Arrays
from harness.core.finding import Finding
from harness.core.fold import Fold
from harness.core.protocol import Transform
from harness.core.row_settings import RowSettings
from harness.core.table import Table
from harness.data.cache.cache_key import key
from harness.data.cache.cache_store import Store
from harness.data.cache.command_scope import current
from harness.data.cache.table_files import read_arrays, read_table, write_arrays, write_table
from harness.runtime.random_seed import generator_states

_log = logging.getLogger("harness")

T = TypeVar("T")

_VALUES = "values.json"


@dataclass(frozen=True)
class Settings:
    """The values of `data.cache`.

    folder   where entries lie
    size     GB of all entries together
    worth    seconds: what is made in less is not kept
    version  of a remote source, whose rows are then kept; None reads them anew in each command
    """

    folder: str
    size: float
    worth: float
    version: str | int | float | None


@dataclass(frozen=True)
class Entry(Generic[T]):
    """How one thing is kept: what the screen calls it, its key, and how it is read and written.

    `always` stores it however quickly it was made, `small` if that took a tenth of the usual limit.
    """

    what: str
    name: str
    read: Callable[[Path], T]
    write: Callable[[T, Path], None]
    always: bool = False
    small: bool = False


class Cache:
    """Answers for one run. `used` says what came from files, `trouble` why nothing can be kept.

    A key holds the configuration, the source's fingerprint or the table's own digest, and the code's
    version, so that nothing stale can be found. An entry that cannot be read or written costs time,
    never the run.

    Args:
        settings: None where `data.cache=off`.
    """

    def __init__(self, settings: Settings | None) -> None:
        self.used: list[str] = []
        self.trouble: str | None = None
        self._command = current()
        self._store: Store | None = None
        self._version: str | None = None
        self._worth = 0.0
        if settings is not None:
            self._store = Store(Path(settings.folder).absolute(), int(settings.size * 1e9))
            self._version = None if settings.version is None else str(settings.version)
            self._worth = settings.worth

    def extract(self, node: Any, extractor: Callable[[], Table]) -> Table:
        """The rows of a source.

        Args:
            node: its plain configuration.
            extractor: perhaps with `fingerprint()`, see `harness.core.protocol.Extractor`.
        """
        fingerprint = getattr(extractor, "fingerprint", lambda: None)()
        if fingerprint is not None or self._version is not None:
            name, store = key("extract", node, fingerprint, self._version), self._store
        else:
            # Remote: for this command alone, and in files only where other processes may look for it.
            name = f"{self._command.token}-{key('extract', node)}"
            store = self._store if self._command.many else None
            if store is not None:
                self._command.folders.add(store.folder)
        entry = Entry(
            "rows", name, read_table, write_table, always=fingerprint is None and self._version is not None
        )
        return self._table(entry, extractor, store)

    def arrange(
        self, node: Any, arrange: Callable[..., Table], table: Table, holds: Callable[[int], bool]
    ) -> Table:
        """The table after a transform's `arrange`, see `harness.core.protocol.Transform`.

        Args:
            node: the transform's plain configuration.
        """

        def read(folder: Path) -> Table:
            arranged = read_table(folder)
            if arranged.array is not None and not holds(arranged.array.size * 4):
                raise LookupError("what was decoded ahead is more than the loader would hold")
            return arranged

        details = repr((table.name, table.source, table.aim, table.kind, list(table.types)))
        entry = Entry("arranged rows", key("arrange", node, table.digest, details), read, write_table)
        store = None if _unread(table) else self._store
        return self._table(entry, lambda: arrange(table, holds), store)

    def _table(self, entry: Entry[Table], make: Callable[[], Table], store: Store | None) -> Table:
        table: Table | None = self._command.table(entry.name)
        if table is None:
            table = make() if store is None else self._found_or_made(entry, store, make)
            self._command.remember(entry.name, table)
        return table

    def fit(
        self, node: Any, transform: Transform, table: Table, rows: np.ndarray, seed: int | None
    ) -> Arrays:
        """Fits a transform on `rows`, or restores it as it was fitted on the same rows before.

        Args:
            seed: what its random numbers follow from; None where it draws none.
        """
        task = table.task

        def make() -> Arrays:
            transform.fit(table, rows, task)
            return transform(table)

        def read(folder: Path) -> Arrays:
            transform.restore(fitted_state.load(folder / "transform"))
            return read_arrays(folder, task)

        def write(arrays: Arrays, folder: Path) -> None:
            write_arrays(arrays, folder)
            fitted_state.save(folder / "transform", transform.state())

        if self._store is None:
            return make()
        entry = Entry("fitted arrays", _fit_key(node, table, rows, seed), read, write)
        return self._found_or_made(entry, self._store, make)

    def fitted(
        self,
        node: Any,
        table: Table,
        rows: np.ndarray,
        seed: int | None,
        make: Callable[[], tuple[Transform, Arrays]],
    ) -> tuple[Transform, Arrays]:
        """A transform fitted on `rows` and the arrays of all rows: those of an earlier run of this command.

        Args:
            seed: as in `fit`.
            make: builds and fits the transform. One that draws from the generators of the process is made
                anew each time, because the random numbers that follow depend on that.
        """
        if not self._command.many or _unread(table):
            return make()
        name = _fit_key(node, table, rows, seed)
        known: tuple[Transform, Arrays] | None = self._command.fitted(name)
        if known is None:
            before = generator_states()
            known = make()
            if generator_states() == before:
                self._command.remember_fitted(name, known, known[1].size)
        return known

    def folds(self, node: Any, seed: int, table: Table, divide: Callable[[], list[Fold]]) -> list[Fold]:
        """The folds of a split: those of an earlier run of this command, where its rows are the same.

        Args:
            node: the split's plain configuration.
            seed: of the run, from which a part may take random numbers when it is built.
        """
        roles = (table.features, table.target, table.group, table.id, table.time)
        details = repr((seed, table.name, table.task, table.kind, roles, list(table.types)))
        return list(self._command.shared(key("folds", node, table.digest, details), divide))

    def findings(
        self, table: Table, folds: Sequence[Fold], promises: dict[str, Any], look: Callable[[], list[Finding]]
    ) -> list[Finding]:
        """What the leakage guards say of these folds, which follows from rows and folds alone.

        Args:
            promises: the further arguments of the leakage guard.
            look: runs them.
        """
        if self._store is None or _unread(table):
            return look()
        digest = hashlib.sha256()
        for fold in folds:
            for part, rows in fold.parts():
                digest.update(f"{fold.number} {part} {len(rows)} ".encode() + rows.tobytes())

        details = repr((table.name, table.task, table.kind, list(table.types)))
        name = key("guard", promises, table.digest, digest.hexdigest(), details)
        return list(
            self._kept_values(
                "findings",
                name,
                look,
                lambda findings: [asdict(finding) for finding in findings],
                lambda values: [Finding(**fields) for fields in values],
            )
        )

    def row_settings(self, node: Any, table: Table, look: Callable[[], RowSettings]) -> RowSettings:
        """A transform's `settings_for`, see `harness.core.protocol.Transform`.

        Args:
            node: the transform's plain configuration.
        """
        if self._store is None or _unread(table):
            return look()
        name = key("settings", node, table.digest, repr((table.kind, list(table.types))))
        return self._kept_values("settings", name, look, asdict, lambda values: RowSettings(**values))

    def _kept_values(
        self,
        what: str,
        name: str,
        make: Callable[[], T],
        pack: Callable[[T], Any],
        unpack: Callable[[Any], T],
    ) -> T:
        """What a check of the rows found; kept as JSON, and in memory for the runs of this command."""
        assert self._store is not None
        known: T | None = self._command.values(name)
        if known is None:

            def write(values: T, folder: Path) -> None:
                (folder / _VALUES).write_text(json.dumps(pack(values)))

            def read(folder: Path) -> T:
                return unpack(json.loads((folder / _VALUES).read_text()))

            known = self._found_or_made(Entry(what, name, read, write, small=True), self._store, make)
            self._command.remember_values(name, known)
        return known

    def _found_or_made(self, entry: Entry[T], store: Store, make: Callable[[], T]) -> T:
        with store.making(entry.name):
            begun = time.perf_counter()
            folder = store.find(entry.name)
            if folder is not None:
                try:
                    content = entry.read(folder)
                    if store.find(entry.name) is None:  # an absent file must not be read as no array
                        raise LookupError("another process removed it meanwhile")
                except Exception as fault:  # whatever is wrong with a file, it can be made again
                    _log.info("an entry of the cache cannot be read and is made anew: %s", fault)
                else:
                    self.used.append(f"{entry.what} in {time.perf_counter() - begun:.2f} s")
                    return content
            content = make()
            worth = self._worth / 10 if entry.small else self._worth
            if entry.always or time.perf_counter() - begun >= worth:
                self._keep(entry, store, content)
        return content

    def _keep(self, entry: Entry[T], store: Store, content: T) -> None:
        try:
            store.keep(entry.name, lambda folder: entry.write(content, folder))
        except OSError as fault:
            self.trouble = f"nothing is kept in data.cache.folder={store.folder}: {fault.strerror or fault}"
        except (TypeError, ValueError, ArithmeticError) as fault:
            # Arrow's errors are ValueErrors and TypeErrors: a column of objects that it has no type for.
            _log.info("not kept for later commands: %s", fault)


def _fit_key(node: Any, table: Table, rows: np.ndarray, seed: int | None) -> str:
    chosen = hashlib.sha256(rows.tobytes()).hexdigest()
    return key("fit", node, table.digest, chosen, repr((table.task, list(table.types), seed)))


def _unread(table: Table) -> bool:
    """Whether the rows name files whose content is not in the table's digest."""
    return table.names_files and not table.contents
