"""Flavour: a bundle as an MLflow model that runs wherever its requirements are installed.

A bundle (see `harness.bundle.bundle`) is read here as plain files: logging a model needs
neither torch nor the model itself, and takes a moment.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

PACKAGE = Path(__file__).resolve().parents[1]
CODE = PACKAGE / "deploy" / "pyfunc_model.py"


def log(client: Any, run_id: str, model_id: str, bundle: Path) -> None:
    """Fills a logged model that was created for the run, and ties it to the run once.

    Raises:
        FileNotFoundError: the bundle is gone.
        mlflow.exceptions.MlflowException: the store is away or refuses it.
    """
    from mlflow.entities import LoggedModelOutput
    from mlflow.models import Model

    created = client.get_logged_model(model_id)
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        save(folder, bundle, Model(created.artifact_location, run_id=run_id, model_id=model_id))
        client.log_model_artifacts(model_id, str(folder))
    outputs = client.get_run(run_id).outputs
    known = {output.model_id for output in (outputs.model_outputs if outputs else [])}
    if model_id not in known:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, step=0)])
    client.finalize_logged_model(model_id, "READY")


def save(folder: Path, bundle: Path, model: Any = None) -> None:
    """Writes the MLflow model: code, weights and configuration, and no pickle of any class.

    Args:
        folder: does not exist yet.
        bundle: what `harness.bundle.bundle.write` wrote.
        model: the `mlflow.models.Model` that carries the ids of run and model, where there are any.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of its own code, at import and on the way
        _save(folder, bundle, model)


def _save(folder: Path, bundle: Path, model: Any) -> None:
    import mlflow.pyfunc
    import pandas as pd

    facts = json.loads((bundle / "bundle.json").read_text())
    example = bundle / "example.json"
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(CODE),
        artifacts={"bundle": str(bundle)},
        code_paths=[str(PACKAGE), *(path for path in facts["code"] if Path(path).exists())],
        pip_requirements=facts["requirements"],
        signature=_signature(facts),
        input_example=pd.read_json(example, orient="table") if example.exists() else None,
        mlflow_model=model,
        metadata={"columns": facts["columns"], "task": facts["task"]["kind"]},
    )


def _signature(facts: dict[str, Any]) -> Any:
    """Columns by name. MLflow holds the inputs to nothing; the metadata lists what type they were.

    It would refuse whole numbers in a column of fractions, and a column in which every text is missing; a
    file with a few raw rows soon holds both. The bundle restores the types itself. It refuses a missing
    column itself too, in a sentence, where MLflow would quote the rows: hence they count as optional here.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    inputs = Schema([ColSpec(AnyType(), name, required=False) for name in facts["columns"]])
    outputs = Schema([ColSpec(DataType[kind], name) for name, kind in facts["outputs"].items()])
    return ModelSignature(inputs, outputs)
