"""The rows on which an export is checked: from the run itself or from a file."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from harness.bundle import raw_rows
from harness.bundle.bundle import Bundle
from harness.bundle.row_predictor import require
from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.deploy.row_reader import open_source
from harness.runs.bundle_files import read_example

_MOST = 256


def real_rows(folder: Path, bundle: Bundle, path: Path | None, source: bool) -> pd.DataFrame:
    """Raw rows: from the file, else the bundle's example, else the first rows of the run's source.

    Args:
        folder: of the bundle.
        path: CSV, parquet or .npy, or a folder of images; of a long file, the first rows.
        source: whether the run's source may be read if the bundle has no example.

    Raises:
        UserError: the file cannot be read or has no row, or no rows are available.
    """
    if path is not None:
        given = open_source(path, bundle, "--rows")
        require(bundle, given.columns)
        rows = next(iter(given.pieces(None if bundle.id else _MOST)), None)
        if rows is None or rows.rows.empty:
            raise UserError(f"--rows must hold a row or more, and {path} holds none", "give another")
        return rows.rows
    example: pd.DataFrame | None = read_example(folder)
    if example is not None:
        return example
    if not source:
        raise UserError(_none("the model keeps none of its own"))
    try:
        table = build(bundle.config["data"]["extract"], "data.extract")()
    except UserError as error:
        raise UserError(_none(f"those of the run cannot be read: {str(error).rstrip('.')}")) from error
    if table.array is not None:
        return pd.DataFrame({raw_rows.ARRAY: list(table.array[:_MOST])})
    return pd.DataFrame(table.frame[list(bundle.columns)].head(_MOST))


def _none(why: str) -> str:
    return f"an export is compared with the model on real rows, and {why}; give some with --rows FILE."
