"""Logs a bundle as an MLflow model that runs wherever its requirements are installed.

A bundle (see `harness.bundle.bundle`) is read as plain files, so logging a model is quick and needs neither
torch nor the model itself.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness.runs.bundle_files import read_example, read_facts

PACKAGE = Path(__file__).resolve().parents[1]
CODE = PACKAGE / "deploy" / "pyfunc_model.py"


def log(client: Any, run_id: str, model_id: str, bundle: Path) -> None:
    """Writes the files of a logged model that was created for the run, and links it to the run once.

    Raises:
        FileNotFoundError: the bundle does not exist.
        mlflow.exceptions.MlflowException: the store is unreachable or refuses the model.
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
        bundle: a folder written by `harness.bundle.bundle.write`.
        model: the `mlflow.models.Model` with the ids of run and model, if there are any.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns about its own code, at import and later
        _save(folder, bundle, model)


def _save(folder: Path, bundle: Path, model: Any) -> None:
    import mlflow.pyfunc

    facts = read_facts(bundle)
    mlflow.pyfunc.save_model(
        folder,
        python_model=str(CODE),
        artifacts={"bundle": bundle.absolute().as_uri()},
        code_paths=[str(PACKAGE), *(path for path in facts["code"] if Path(path).exists())],
        pip_requirements=facts["requirements"],
        signature=_signature(facts),
        input_example=read_example(bundle),
        mlflow_model=model,
        metadata={"columns": facts["columns"], "task": facts["task"]["kind"]},
    )


def _signature(facts: dict[str, Any]) -> Any:
    """The input columns by name, all optional and of any type; the metadata lists the types of the training.

    MLflow's own check would refuse integers in a float column, and a text column whose values are all
    missing; a file with a few rows often has both. The bundle converts the types itself. It also reports a
    missing column in one sentence, where MLflow would quote all rows.
    """
    from mlflow.models import ModelSignature
    from mlflow.types.schema import AnyType, ColSpec, DataType, Schema

    inputs = Schema([ColSpec(AnyType(), name, required=False) for name in facts["columns"]])
    outputs = Schema([ColSpec(DataType[kind], name) for name, kind in facts["outputs"].items()])
    return ModelSignature(inputs, outputs)
