"""Export to ONNX, for onnxruntime and other programs that read the format."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from harness.core.errors import UserError
from harness.deploy.export.graph_inputs import Feed
from harness.deploy.export.torch_export import traced

FILE = "model.onnx"
NEEDS = ("onnx", "onnxruntime", "onnxscript")


def require() -> None:
    """Raises UserError: a package that writes or runs ONNX is not installed, or breaks when imported."""
    for name in NEEDS:
        try:
            with quiet():
                import_module(name)
        except ImportError as error:
            raise UserError(
                f"--format onnx needs the packages {', '.join(NEEDS)}, and {name} cannot be imported "
                f"({' '.join(str(error).split())})",
                "install them with: pip install 'harness[onnx]'",
            ) from error


def write(graph: nn.Module, feed: Feed, outputs: tuple[str, ...], path: Path) -> dict[str, Any]:
    """Writes the file and returns its facts: the opset, which defines the operators.

    Args:
        feed: some rows, more than one, to trace the graph with; the batch size stays dynamic.

    Raises:
        UserError: the model has an operator that ONNX lacks.
    """
    import torch.onnx

    program = traced(graph, feed, "safetensors")
    with quiet():
        try:
            made: Any = torch.onnx.export(
                program,
                dynamo=True,
                input_names=list(feed),
                output_names=list(outputs),
                verbose=False,
            )
        except Exception as error:
            raise UserError(
                f"ONNX cannot say what the model does: {_fault(error)}", "export it with --format pt2"
            ) from error
        made.save(path, external_data=False)
    return {"opset": int(made.model.opset_imports[""])}


def run(path: Path, feed: Feed) -> list[np.ndarray]:
    """The outputs of the file, by onnxruntime on the CPU."""
    with quiet():
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        outputs: list[np.ndarray] = session.run(None, feed)
    return outputs


@contextmanager
def quiet() -> Iterator[None]:
    """Hides the deprecation warnings between PyTorch and ONNX."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _fault(error: BaseException) -> str:
    """The operator, if the chain of errors names one; else the first line of the innermost error."""
    chain = [error]
    while chain[-1].__cause__ is not None:
        chain.append(chain[-1].__cause__)
    for link in chain:
        operator = re.search(r"<OpOverload\(op='([\w.]+)'", str(link))
        if operator is not None:
            return f"it has no operator for {operator[1]}"
    lines = str(chain[-1]).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(chain[-1]).__name__
