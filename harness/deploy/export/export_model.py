"""Exports one model in one format and checks the file before keeping it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from harness.bundle.ensemble import Ensemble, open_predictor
from harness.bundle.row_predictor import RowPredictor
from harness.deploy.export import onnx, pt2, safetensors
from harness.deploy.export.check_export import Checked, check, repeated
from harness.deploy.export.graph_inputs import Feed
from harness.deploy.export.model_graph import Graph, Mean, graph
from harness.deploy.export.preprocessing_json import FILE, describe
from harness.runs.new_folder import check_empty
from harness.runtime.atomic_file import draft_folder, put_folder, write_text

Format = Literal["onnx", "pt2", "safetensors"]
FORMATS: tuple[Format, ...] = ("onnx", "pt2", "safetensors")

_FILES = {"onnx": onnx.FILE, "pt2": pt2.FILE, "safetensors": safetensors.FILE}


@dataclass(frozen=True)
class Export:
    """The result of an export.

    file         the exported file, if the check passed
    description  the content of `preprocessing.json`
    checked      differences from the model
    """

    file: Path
    description: dict[str, Any]
    checked: Checked


def require(format: Format, out: Path) -> None:
    """Checks before any work that the export is possible.

    Raises:
        UserError: a package is missing.
        FolderTaken: the folder contains something other than an export.
    """
    if format == "onnx":
        onnx.require()
    # Everything in it would be deleted with the earlier export, whose last file is the description.
    earlier = {FILE, *_FILES.values()} if (out / FILE).is_file() else set()
    check_empty(out, "an export", "name another folder", "--out", besides=earlier)


def write(folder: Path, format: Format, out: Path, rows: pd.DataFrame) -> Export:
    """Exports a bundle; the folder is written whole, or not at all if the check fails.

    Args:
        folder: of the bundle or ensemble.
        out: the folder to write; an earlier export is replaced.
        rows: raw rows on which the file is compared with the model.

    Raises:
        UserError: the model cannot be written in this format.
    """
    reader = open_predictor(folder)
    whole = graph(reader)
    # Without gradients: they would be written into the file.
    whole.requires_grad_(False)
    feed = whole.inputs.feed(_table(reader, rows))
    answers = reader(rows)
    with draft_folder(out) as draft:
        file = draft / _FILES[format]
        description = describe(whole, reader.bundle, format, file.name, _written(whole, format, feed, file))
        run = _runner(whole, format, file, reader)
        checked = check(run, whole, feed, answers, reader.bundle)
        description["checked"] = checked.facts
        if checked.passed:
            write_text(
                draft / FILE, json.dumps(description, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
            )
            put_folder(draft, out)
    return Export(out / file.name, description, checked)


def _written(whole: Graph | Mean, format: Format, feed: Feed, file: Path) -> dict[str, Any]:
    if format == "safetensors":
        return safetensors.write(whole, file)
    three = repeated(feed, 3)  # tracing with a single row can make the batch size a constant
    if format == "onnx":
        return onnx.write(whole, three, whole.outputs, file)
    return pt2.write(whole, three, whole.outputs, file)


def _runner(whole: Graph | Mean, format: Format, file: Path, reader: RowPredictor | Ensemble) -> Any:
    if format == "safetensors":
        return lambda feed: safetensors.run(file, reader.bundle, whole.inputs, feed)
    return lambda feed: (onnx if format == "onnx" else pt2).run(file, feed)


def _table(reader: RowPredictor | Ensemble, rows: pd.DataFrame) -> Any:
    """The rows with the types and the arrangement of training."""
    one = reader if isinstance(reader, RowPredictor) else reader.members[0]
    transform: Any = one.transform
    table = one.table(rows)
    return transform.arrange(table, lambda size: False) if hasattr(transform, "arrange") else table
