"""Bundle: a trained model as plain files, enough to predict raw rows elsewhere.

weights.safetensors   of model and head
transform/            the fitted transform's state
example.json          some raw rows
bundle.json           configuration, task, columns, requirements
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from harness.bundle import fitted_state, raw_rows, requirements
from harness.core.predictor import Predictor
from harness.core.table import Kind, Table
from harness.core.task import Task
from harness.data.extract.row_checks import Infinite
from harness.runs.bundle_files import EXAMPLE, FACTS, TRANSFORM, WEIGHTS, check_files, digests, read_facts
from harness.runtime.inner_path import OutsideFolder, inner
from harness.runtime.stored_file import DamagedFile, reading

_SCHEMA = 1
_EXAMPLES = 3


@dataclass(frozen=True)
class Bundle:
    """The content of `bundle.json`.

    config    the run's configuration as a plain container, free of secrets
    columns   columns of a raw row -> dtype as pandas names it; features in the order of training; for
              features in an array beside the table, the one column `array`
    image     (C, H, W) of an image made of pixel columns, else None
    array     shape of a cell of the column `array`, else None
    id, time  for raw rows that are events of sequences, the columns that group and order them; else None
    inputs    shape of one sample, for which the model was built
    codes     of the last features of a row how many codes each has, for which it was built; else empty
    width     of the representation
    head      whether there is a head, which predicts; without a head the outputs are representations
    autocast  "bfloat16" if the model ran under autocast, else None
    members   the folders of an ensemble's bundles below its own; else empty
    temperature  which divides the logits; 1 of a model that was not calibrated
    """

    config: dict[str, Any]
    task: Task
    columns: dict[str, str]
    kind: Kind
    image: tuple[int, int, int] | None
    array: tuple[int, ...] | None
    id: str | None
    time: str | None
    inputs: tuple[int, ...]
    width: int
    head: bool
    autocast: str | None
    members: tuple[str, ...] = ()
    temperature: float = 1.0
    codes: tuple[int, ...] = ()

    @property
    def outputs(self) -> dict[str, str]:
        """The columns of a prediction, and what MLflow calls their types."""
        return output_columns(self.task, self.width, self.head)

    @property
    def infinite(self) -> Infinite:
        """Whether an infinite feature is an "error", as in training, or counts as "missing"."""
        extract = (self.config.get("data") or {}).get("extract") or {}
        return "error" if extract.get("infinite") == "error" else "missing"


def output_columns(task: Task, width: int, head: bool) -> dict[str, str]:
    """The columns of a prediction, and what MLflow calls their types; as the fields of `Bundle`."""
    if not head:
        return {f"representation_{i}": "double" for i in range(width)}
    probabilities = {f"probability_{name}": "double" for name in task.classes}
    if task.kind == "multilabel":
        return {f"prediction_{name}": "long" for name in task.classes} | probabilities
    if task.classification:
        return {"prediction": "string", **probabilities}
    return {f"prediction_{name}": "double" for name in task.columns} or {"prediction": "double"}


def write(
    folder: Path,
    *,
    predictor: Predictor,
    table: Table,
    inputs: tuple[int, ...],
    codes: tuple[int, ...] = (),
    transform_state: dict[str, Any],
    config: dict[str, Any],
) -> None:
    """Writes the bundle; `bundle.json` is written last, so its presence means that the bundle is complete.

    Args:
        folder: is created.
        predictor: model and head with the weights to keep, on any device.
        table: the training table; its first three rows become the example, see `raw_rows.example`.
        inputs, codes: shape of one sample, `arrays.shape`, and `arrays.codes`.
        transform_state: `transform.state()`.
        config: plain container without secrets; `data.transform`, `model` and `trainer` are built from it
        again.
    """
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    save_model(network(predictor.model, predictor.head), str(folder / WEIGHTS))
    fitted_state.save(folder / TRANSFORM, transform_state)
    example = raw_rows.example(table, _EXAMPLES)
    if example is not None:
        example.to_json(folder / EXAMPLE, orient="table", index=False, double_precision=15)
    joined = table.events is not None
    bundle = Bundle(
        config=config,
        task=predictor.task,
        columns=raw_rows.columns(table),
        kind=table.kind,
        image=table.shape,
        array=None if table.array is None or table.files else table.array.shape[1:],
        id=table.id if joined else None,
        time=table.time if joined else None,
        inputs=tuple(inputs),
        width=predictor.model.width,  # type: ignore[arg-type]  # what the protocol of a model promises
        head=predictor.head is not None,
        autocast=None if predictor.autocast is None else str(predictor.autocast).removeprefix("torch."),
        temperature=predictor.temperature,
        codes=codes,
    )
    facts = {
        "schema": _SCHEMA,
        **vars(bundle),
        "task": {**vars(bundle.task), "positive": bundle.task.positive},
        "outputs": bundle.outputs,
        "files": digests(folder),
        "requirements": requirements.pins(config),
        "code": requirements.code(config),
    }
    for name, usual in (("temperature", 1), ("codes", ())):  # earlier versions know neither
        if facts[name] == usual:
            del facts[name]
    (folder / FACTS).write_text(json.dumps(facts, indent=1) + "\n")


def read(folder: Path) -> Bundle:
    """Reads `bundle.json`.

    Raises:
        FileNotFoundError: there is no bundle, or it is incomplete.
        DamagedFile: the file is no description of a bundle.
        OutsideFolder: a member of an ensemble is not in the folder.
    """
    facts = read_facts(folder)
    with reading(folder / FACTS, TypeError):
        for name in facts["columns"].values():
            pd.api.types.pandas_dtype(name)
    members = tuple(facts.get("members", ()))
    for name in members:
        if inner(folder, name).resolve() == folder.resolve():
            raise OutsideFolder(folder, name, "is the ensemble itself")
    return Bundle(
        config=facts["config"],
        task=Task(
            facts["task"]["kind"],
            tuple(facts["task"]["classes"]),
            tuple(facts["task"]["columns"]),
            facts["task"].get("scale", "none"),
        ),
        columns=facts["columns"],
        kind=facts["kind"],
        image=None if facts["image"] is None else (facts["image"][0], facts["image"][1], facts["image"][2]),
        array=None if facts["array"] is None else tuple(facts["array"]),
        id=facts["id"],
        time=facts["time"],
        inputs=tuple(facts["inputs"]),
        width=facts["width"],
        head=facts["head"],
        autocast=facts["autocast"],
        members=members,
        temperature=facts.get("temperature", 1.0),
        codes=tuple(facts.get("codes", ())),
    )


def load(folder: Path, predictor: Predictor) -> None:
    """Loads the weights of the bundle into a predictor, in place and on its device.

    Raises:
        FileNotFoundError: there is no bundle, or it is incomplete.
        DamagedFile: a file of it is damaged, or its weights are not those of model and head.
    """
    check_files(folder)
    device = next(predictor.model.parameters(), torch.empty(0)).device
    load_weights(network(predictor.model, predictor.head), folder, device)


def load_weights(module: nn.Module, folder: Path, device: torch.device, *, strict: bool = True) -> None:
    """Loads the weights of a bundle into a network on this device.

    Args:
        strict: whether the network must have exactly these weights.

    Raises:
        DamagedFile: the file cannot be read, or its weights are not those of the network.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_model

    file = folder / WEIGHTS
    with reading(file, SafetensorError, RuntimeError):
        if not file.exists():
            raise DamagedFile(file, "it is missing")
        load_model(module, file, strict=strict, device=str(device))


def network(model: nn.Module, head: nn.Module | None) -> nn.ModuleDict:
    """Model and head under the names by which their weights are stored."""
    parts = {"model": model, "head": head}
    # torch.compile wraps a module and prefixes the names of its weights.
    return nn.ModuleDict(
        {name: getattr(part, "_orig_mod", part) for name, part in parts.items() if part is not None}
    )
