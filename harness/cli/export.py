"""`python -m harness export RUN --format onnx`: writes a trained model for programs without harness."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from harness.cli.json_results import ExportResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError
from harness.core.user_path import user_path


def main(words: list[str]) -> Outcome:
    """Prints the path, the largest difference from the model, and how to use it; returns 1 if it differs
    too much.

    Raises:
        UserError: there is no such model, or the format does not support it; nothing is written then.
    """
    options = _options(words)
    if options.rows is not None and not user_path(options.rows).exists():
        raise UserError(
            f"--rows must be a file or a folder of images, and there is no {options.rows}", "correct it"
        )

    from harness.bundle.bundle import read
    from harness.deploy.export.check_rows import real_rows
    from harness.deploy.export.export_model import require, write
    from harness.deploy.predict_file import located

    outputs = Path(options.outputs)
    with located(
        options.run, outputs, uri=options.uri, ensemble=options.ensemble, allow=options.allow
    ) as folder:
        out = _place(options, folder)
        require(options.format, out)
        path = None if options.rows is None else user_path(options.rows)
        export = write(
            folder, options.format, out, real_rows(folder, read(folder), path, _own(options, folder))
        )
    checked = export.checked
    found: ExportResult = {
        "folder": str(out) if checked.passed else None,
        "format": options.format,
        "rows": checked.rows,
        "difference": checked.difference,
        "description": export.description,
    }
    if not checked.passed:
        print(f"{_compared(checked)}: nothing was exported.", file=sys.stderr)
        return Outcome(found, status=1)
    opset = f", opset {export.description['opset']}" if "opset" in export.description else ""
    size = sum(file.stat().st_size for file in out.iterdir()) / 1e6
    print(f"export   {out} ({size:.1f} MB{opset})")
    print(f"checked  {_compared(checked)}")
    print("\n".join(_snippet(export.description)))
    return Outcome(found)


def _options(words: list[str]) -> Any:
    parser = Parser("export", "Write a trained model, with its preprocessing, for use without harness.")
    parser.add_argument(
        "run", help="a run, models:/NAME@ALIAS, models:/NAME/3, runs:/ID/model, or a model's folder"
    )
    parser.add_argument(
        "--format",
        choices=("onnx", "pt2", "safetensors"),
        required=True,
        help="onnx: for other languages; pt2: for PyTorch; safetensors: the weights alone",
    )
    parser.add_argument("--out", help="the folder to make (default: export/FORMAT in the run's)")
    parser.add_argument(
        "--rows", help="real rows to compare on, as predict takes them (default: the model's example)"
    )
    parser.add_argument("--ensemble", action="store_true", help="the mean over the models of all folds")
    parser.add_argument("--uri", help="the MLflow store of models:/ and runs:/, if not that of the outputs")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.allow()
    return parser.parse_args(words)


def _own(options: Any, folder: Path) -> bool:
    """Whether the source that the model names may be read: it is that of a run of ours."""
    from harness.bundle.allowlist import elsewhere
    from harness.deploy.registry_download import SCHEMES
    from harness.runs.outputs import Outputs
    from harness.tracking.fetch_run import fetcher

    if options.run.startswith(SCHEMES):
        return False
    outputs = Path(options.outputs)
    return not elsewhere(
        Outputs(outputs).find(options.run, fetcher()).folder if options.ensemble else folder, outputs
    )


def _place(options: Any, folder: Path) -> Path:
    """The folder of the export; beside the model, where that is one of a run."""
    from harness.deploy.registry_download import SCHEMES
    from harness.runs.outputs import Outputs
    from harness.tracking.fetch_run import fetcher

    if options.out is not None:
        return user_path(options.out)
    if options.ensemble:
        return (
            Outputs(Path(options.outputs)).find(options.run, fetcher()).folder
            / "export"
            / str(options.format)
        )
    if options.run.startswith(SCHEMES) or folder.name not in ("model", "refit", "ensemble"):
        raise UserError(
            f"a model that is in no run's folder needs a place, and {options.run} has none",
            "give --out FOLDER",
        )
    return folder.parent / "export" / str(options.format)


def _compared(checked: Any) -> str:
    from harness.deploy.export.check_export import TOLERANCE

    sizes = ", ".join(map(str, checked.batches[:-1]))
    rows = f"{checked.rows} real {'row' if checked.rows == 1 else 'rows'}"
    said = (
        f"on {rows} in batches of {sizes} and {checked.batches[-1]}, the largest difference from the model "
        f"is {checked.difference:.1e}, and at most {TOLERANCE:.0e} is allowed"
    )
    if checked.allowed > TOLERANCE:
        return (
            f"{said}; from what it answers in bfloat16, {checked.answers:.1e} of {checked.allowed:g}, "
            "for the export is in float32"
        )
    return f"{said}; from what it answers for raw rows, {checked.answers:.1e}"


def _snippet(description: dict[str, Any]) -> list[str]:
    """Returns example code that uses the file."""
    inputs = [fact["name"] for fact in description["inputs"]]
    first, file = description["outputs"][0]["name"], description["file"]
    if description["format"] == "onnx":
        given = ", ".join(f'"{name}": {name}' for name in inputs)
        lines = [
            "import onnxruntime",
            f'session = onnxruntime.InferenceSession("{file}")',
            f'{first}, = session.run(["{first}"], {{{given}}})  # preprocessing.json says what these are',
        ]
    elif description["format"] == "pt2":
        lines = [
            "import torch",
            f'model = torch.export.load("{file}").module()',
            f"{first}, *_ = model({', '.join(inputs)})  # preprocessing.json says what these are",
        ]
    else:
        lines = [
            "from safetensors.numpy import load_file",
            f'weights = load_file("{file}")  # by name, as numpy arrays',
            "# preprocessing.json says what to do with a row, and what the network is",
        ]
    return [("run      " if number == 0 else " " * 9) + line for number, line in enumerate(lines)]
