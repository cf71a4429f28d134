"""RowPredictor: raw rows in, predictions out, from a bundle alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from harness.build import build
from harness.errors import UserError
from harness.predictor import Predictor, probabilities
from harness.production import raw, state
from harness.production.bundle import Bundle, network, read
from harness.production.files import TRANSFORM, WEIGHTS
from harness.protocol import Transform
from harness.table import Table

_AT_ONCE = 1024


class RowPredictor:
    """Transform, model and head as they were when the bundle was written.

    Args:
        folder: of the bundle.
        device: where the network runs.

    Raises:
        FileNotFoundError: there is no whole bundle in the folder.
        UserError: a part named by the configuration cannot be built here.
    """

    def __init__(self, folder: str | Path, device: str = "cpu") -> None:
        folder = Path(folder)
        self.bundle: Bundle = read(folder)
        self._device = torch.device(device)
        self._predictor = _predictor(self.bundle, folder, self._device)
        self._transform: Transform = build(self.bundle.config["data"]["transform"], "data.transform")
        self._transform.restore(state.load(folder / TRANSFORM))

    def __call__(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Predictions with the index of `rows`, in its order; of sequences, with their ids as index.

        A classification gives `prediction` (the class's name) and a `probability_<class>` for each
        class; a regression `prediction`, in the target's unit; several targets a `prediction_<column>`
        each, labels (0 or 1) a `probability_<column>` too; a trainer that learned no outputs
        `representation_0` … All numbers but the labels are float64 in the frame, computed in float32.

        Args:
            rows: one or more raw rows with `Bundle.columns`; others are ignored. Rows that are events
                are joined by their id, and each sequence (each window, where training cut several)
                is answered once, ids in order.

        Raises:
            UserError: a column is missing, or holds what its type cannot be.
        """
        names = list(self.bundle.outputs)
        if rows.empty:
            return pd.DataFrame(columns=names, index=rows.index)
        table = self._table(rows)
        if hasattr(self._transform, "arrange"):
            table = self._transform.arrange(table, _decodes_when_asked)
        index = rows.index if table.events is None else pd.Index(table.frame[table.id], name=table.id)
        arrays, every = self._transform(table), np.arange(len(table))
        parts = [
            self._predict(arrays.take(every[first : first + _AT_ONCE]))
            for first in range(0, len(every), _AT_ONCE)
        ]
        return pd.concat(parts, ignore_index=True).set_axis(names, axis=1).set_axis(index, axis=0)

    def _table(self, rows: pd.DataFrame) -> Table:
        missing = [name for name in self.bundle.columns if name not in rows.columns]
        if missing:
            raise UserError(
                f"the model needs the {len(self.bundle.columns)} columns that it was trained on, and "
                f"{len(missing)} are missing, {missing[0]!r} first; give rows as the data source gives them."
            )
        bundle = self.bundle
        frame = rows[list(bundle.columns)].reset_index(drop=True)
        if bundle.array is not None:
            array = raw.stacked(frame[raw.ARRAY], bundle.array)
            return Table(frame, (), kind=bundle.kind, array=array, name="rows")
        for name, kind in bundle.columns.items():
            if name != bundle.id:  # an id is a name, and its type tells the model nothing
                frame[name] = _typed(frame[name], kind)
        features = tuple(name for name in bundle.columns if name not in (bundle.id, bundle.time))
        return Table(
            frame,
            features,
            kind=bundle.kind,
            shape=bundle.image,
            id=bundle.id,
            time=bundle.time,
            name="rows",
        )

    def _predict(self, inputs: Tensor) -> pd.DataFrame:
        prediction = self._predictor(inputs.to(self._device))
        task, outputs = self.bundle.task, prediction.outputs
        if outputs is None:
            return pd.DataFrame(prediction.representation.double().cpu().numpy())
        if task.kind == "regression":
            return pd.DataFrame(outputs.double().cpu().numpy())
        if task.kind == "multilabel":
            labels = outputs.sigmoid().double().cpu().numpy()
            return pd.concat([pd.DataFrame(labels > 0.5).astype(np.int64), pd.DataFrame(labels)], axis=1)
        chances = probabilities(outputs).double().cpu()
        frame = pd.DataFrame(chances.numpy())
        frame.insert(0, "prediction", [task.classes[code] for code in chances.argmax(dim=1).tolist()])
        return frame


def _predictor(bundle: Bundle, folder: Path, device: torch.device) -> Predictor:
    from safetensors.torch import load_model

    # The trainer only tells its head here; the device it trained on need not exist.
    trainer: dict[str, Any] = {**bundle.config["trainer"]}
    if "device" in trainer:
        trainer["device"] = "cpu"
    architecture: dict[str, Any] = {**bundle.config["model"]}
    if "weights" in architecture:
        architecture["weights"] = None  # the bundle's own are loaded over them
    model = build(architecture, "model")(bundle.inputs)
    head = build(trainer, "trainer").build_head(bundle.width, bundle.task) if bundle.head else None
    whole = network(model, head).to(device)
    load_model(whole, folder / WEIGHTS, device=str(device))
    autocast = None if bundle.autocast is None else getattr(torch, bundle.autocast)
    return Predictor(model, head, bundle.task, autocast=autocast)


def _decodes_when_asked(size: int) -> bool:
    """What a transform may ask of a loader: files are decoded batch by batch, never all ahead."""
    del size
    return False


def _typed(column: pd.Series, kind: str) -> pd.Series:
    """The column in the type that it had in training, where no value changes by that.

    Whole numbers with gaps stay fractions, as pandas reads them.
    """
    exact = kind.startswith(("int", "uint", "bool"))
    if str(column.dtype) == kind or (exact and column.isna().any()):
        return column
    dtype: Any = pd.api.types.pandas_dtype(kind)
    try:
        typed: pd.Series = column.astype(dtype)
    except (TypeError, ValueError) as error:
        raise UserError(f"column {str(column.name)!r} was {kind} in training, and here {error}.") from error
    return column if exact and (typed != column).any() else typed
