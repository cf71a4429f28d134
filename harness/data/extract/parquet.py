"""Parquet: a table in one or more Parquet files."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.table import Table
from harness.core.typed_override import typed
from harness.data.extract import source_files
from harness.data.extract.file_fingerprint import fingerprint
from harness.data.extract.source import Source

log = logging.getLogger("harness")

_KEY = "data.extract.path"


class Parquet(Source):
    """Parquet files, all with the same columns of the same types.

    If `features` is given, only these columns and those of the other roles are read.
    Decimals become floats. The arguments not named here are those of `Source`.

    Args:
        path: the file, a list of files, a pattern (`visits-*.parquet`), or a folder with files that
            end in .parquet, at any depth; relative to the current folder, read in the order of names.
    """

    def __init__(self, *, path: str | list[str] | None, **roles: Any) -> None:
        super().__init__(**roles)
        self.path = path

    def __call__(self) -> Table:
        """Raises UserError: no such file, no table in it, or roles that its columns do not fit."""
        paths = self._paths()
        source = ", ".join(self.path) if isinstance(self.path, list) else str(self.path)
        shared = (
            paths[0] if len(paths) == 1 else Path(os.path.commonpath([p.resolve().parent for p in paths]))
        )
        frame, pruned = self._read(paths)
        roles = replace(self.roles, drop=[]) if pruned else self.roles
        return roles.assign(frame, self.name or shared.resolve().stem, source)

    def fingerprint(self) -> str:
        """Of the files, see `harness.data.extract.file_fingerprint.fingerprint`."""
        return fingerprint(self._paths())

    def _paths(self) -> list[Path]:
        if self.path is None:
            raise UserError(
                "data.extract.path needs the file to read",
                "give data.extract.path=FILE.parquet",
                key="data.extract.path",
            )
        return source_files.matching(self.path, _KEY, within="**/*.parquet")

    def _read(self, paths: list[Path]) -> tuple[pd.DataFrame, bool]:
        """All rows, and whether unneeded columns were not read."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            schemas = [pq.read_schema(path) for path in paths]
            columns = self._columns(schemas[0].names)
            _require_one_schema(paths, schemas, columns)
            _tell_partitions(paths, schemas[0].names)
            _require_flat(schemas[0], columns, paths[0])
            # Each column is freed after its conversion, so that no complete second copy exists.
            table = pa.concat_tables(
                [pq.read_table(path, columns=columns, partitioning=None) for path in paths]
            )
        except (pa.ArrowException, OSError) as fault:
            reason = " ".join(str(fault).split()).rstrip(".").replace(". ", ", ")
            raise UserError(
                f"data.extract.path={listed(paths)} cannot be read as Parquet: {reason}",
                "name files in that format",
                key="data.extract.path",
            ) from None
        table = _with_floats(table)
        frame: pd.DataFrame = table.to_pandas(
            ignore_metadata=True, date_as_object=False, split_blocks=True, self_destruct=True
        )
        return frame, len(columns) < len(schemas[0].names)

    def _columns(self, names: list[str]) -> list[str]:
        """The columns to read; all columns if a role or `drop` names an unknown one, so that the roles
        refuse it."""
        roles = self.roles
        named = roles.named
        if not named | {*roles.drop} <= {*names} or named & {*roles.drop}:
            return names
        if roles.features is not None:
            return [name for name in names if name in named]
        return [name for name in names if name not in roles.drop]


def _tell_partitions(paths: list[Path], names: list[str]) -> None:
    """Warns about folders such as `year=2026`, which other programs read as a column."""
    folders = {part.partition("=")[0] for path in paths for part in path.parent.parts if "=" in part}
    for column in sorted(folders - {*names}):
        log.warning(
            "The files of data.extract.path lie in folders %s=…, of which no column is made; write it into "
            "the files if it is needed.",
            column,
        )


def _require_one_schema(paths: list[Path], schemas: list[Any], columns: list[str]) -> None:
    for path, schema in zip(paths[1:], schemas[1:], strict=True):
        for column in columns:
            first, other = schemas[0].field(column).type, None
            if column in schema.names:
                other = schema.field(column).type
            if first != other:
                raise UserError(
                    f"the files of data.extract.path must have the same columns, and {column!r} is {first} "
                    f"in {paths[0]} and {other or 'not there'} in {path}",
                    "correct it, or leave the file out",
                    key="data.extract.path",
                )
        more = [name for name in schema.names if name not in schemas[0].names]
        if more and set(columns) == set(schemas[0].names):
            raise UserError(
                f"the files of data.extract.path must have the same columns, and {paths[0]} lacks "
                f"{more[0]!r}, which {path} has",
                "correct it, or leave the file out",
                key="data.extract.path",
            )


def _require_flat(schema: Any, columns: list[str], path: Path) -> None:
    import pyarrow.types as kinds

    twice = [name for name in columns if columns.count(name) > 1]
    if twice:
        raise UserError(
            f"data.extract.path={path} has two columns named {twice[0]!r}",
            "rename one in the file",
            key="data.extract.path",
        )
    for column in columns:
        kind = schema.field(column).type
        if kinds.is_nested(kind):
            raise UserError(
                f"a cell must hold one value, and column {column!r} of {path} holds {kind}",
                f"flatten it, or leave it out with {typed('data.extract.drop', [column])}",
            )


def _with_floats(table: Any) -> Any:
    """The table with decimals, which pandas would store as objects, as float64."""
    import pyarrow as pa

    fields = [
        pa.field(field.name, pa.float64()) if pa.types.is_decimal(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))
