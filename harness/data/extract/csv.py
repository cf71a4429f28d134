"""Csv: a table in a text file."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pandas as pd

from harness.data.extract.roles import Roles
from harness.errors import UserError, near
from harness.table import Aim, Kind, Table


class Csv:
    """A file of separated values, its first line the column names, in UTF-8.

    Group and id columns are kept as the text they are (`007` stays `007`); of the others, those
    that hold only numbers become numbers. The arguments not named here are those of `Roles`.

    Args:
        path: the file; relative to the current folder.
        separator: what stands between two cells: one character, or a regular expression.
        missing: the cells that count as missing, an empty one among them.
        name: what the data set is called; None: the file's name without its ending.
    """

    def __init__(
        self,
        *,
        path: str | None,
        separator: str,
        missing: list[str],
        name: str | None,
        kind: Kind,
        shape: list[int] | None,
        target: str | None,
        group: str | None,
        id: str | None,
        features: list[str] | None,
        drop: list[str],
        task: Aim,
    ) -> None:
        if not separator:
            raise ValueError("separator must be one character or more, got ''")
        self.path = path
        self.separator, self.missing = separator, missing
        self.name = name
        self.roles = Roles(target, group, id, features, drop, task, kind, shape)

    def __call__(self) -> Table:
        """Raises UserError: no such file, no table in it, or roles that its columns do not fit."""
        if self.path is None:
            raise UserError("data.extract.path needs the file to read; give data.extract.path=FILE.csv.")
        path = Path(self.path).expanduser()
        _require_file(path)
        return self.roles.assign(self._read(path), self.name or path.stem, self.path)

    def _read(self, path: Path) -> pd.DataFrame:
        try:
            return self._parse(path)
        except pd.errors.EmptyDataError:
            raise UserError(
                f"data.extract.path={path} is empty; name a file with a line of column names."
            ) from None
        except UnicodeDecodeError:
            raise UserError(
                f"data.extract.path={path} is not text in UTF-8; save it as comma-separated UTF-8 text."
            ) from None
        except pd.errors.ParserWarning:
            raise UserError(
                f"data.extract.path={path} has more cells in a row than column names in its first line; "
                "add the missing names."
            ) from None
        except (pd.errors.ParserError, OSError) as fault:
            reason = str(fault).rpartition("C error: ")[2].strip()
            raise UserError(
                f"data.extract.path={path} cannot be read as a table: {reason}; mend the file, or set "
                "data.extract.separator."
            ) from None

    def _parse(self, path: Path) -> pd.DataFrame:
        # The C parser reads a column as a whole, so that one odd cell far down makes it text throughout.
        engine: dict[str, Any] = {"engine": "c", "low_memory": False}
        if len(self.separator) > 1:
            engine = {"engine": "python"}
        self._require_distinct_names(path, engine)
        text = [column for column in (self.roles.group, self.roles.id) if column is not None]
        with warnings.catch_warnings():
            # pandas warns where it cuts off cells that have no column name.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame: pd.DataFrame = pd.read_csv(
                path,
                sep=self.separator,
                index_col=False,
                dtype=dict.fromkeys(text, str),
                keep_default_na=False,
                na_values=self.missing,
                **engine,
            )
        return frame

    def _require_distinct_names(self, path: Path, engine: dict[str, Any]) -> None:
        """pandas would rename the second of two: a second target column would become a feature."""
        first = pd.read_csv(path, sep=self.separator, header=None, nrows=1, dtype=str, **engine)
        names = first.iloc[0]
        twice = names[names.duplicated()].dropna()
        if len(twice):
            raise UserError(
                f"data.extract.path={path} has two columns named {twice.iloc[0]!r}; rename one in the file."
            )


def _require_file(path: Path) -> None:
    if path.is_dir():
        names = (entry.name for entry in path.iterdir() if entry.is_file())
        raise UserError(f"data.extract.path={path} is a folder, and a file is needed; {near('', names)}")
    if path.exists():
        return
    if not path.parent.is_dir():
        raise UserError(
            f"data.extract.path={path} does not exist, nor does its folder; relative paths start at "
            f"{Path.cwd()}."
        )
    names = (entry.name for entry in path.parent.iterdir() if entry.suffix == path.suffix)
    raise UserError(
        f"data.extract.path={path} does not exist; among the {path.suffix or 'other'} files of its folder, "
        f"{near(path.name, names)}"
    )
