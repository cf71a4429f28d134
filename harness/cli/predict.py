"""`python -m harness predict RUN IN OUT`: the rows of a file with their predictions behind them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from harness.cli.json_results import PredictResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError
from harness.core.name_list import listed
from harness.core.user_path import user_path

_NAMED = 5


def main(words: list[str]) -> Outcome:
    """Writes OUT and prints the number of rows; remarks about the rows go to standard error.

    Raises:
        UserError: there is no such model, or it does not accept the rows; nothing is written then.
    """
    options = _options(words)
    given, path = user_path(options.input), user_path(options.output)
    if options.batch < 1:
        raise UserError(f"--batch must be 1 row or more, got {options.batch}", "1024 is usual")

    from harness.deploy import prediction_writer

    prediction_writer.require(path, given)

    from harness.bundle.bundle import read
    from harness.deploy import predict_file, row_reader
    from harness.runs.look_ledger import LookLedger

    outputs = Path(options.outputs)
    with predict_file.located(
        options.run, outputs, uri=options.uri, ensemble=options.ensemble, allow=options.allow
    ) as folder:
        rows = row_reader.open_source(given, read(folder))
        predictor = predict_file.opened(folder, options.device, embed=options.embed, batch=options.batch)
        beside = predict_file.check(predictor.bundle, rows, beyond=options.beyond_range)
        if beside:
            _say(f"the model does not look at {listed(map(repr, beside), _NAMED)}.")
        account = predict_file.predict(
            predictor,
            rows,
            path,
            batch=options.batch,
            beyond=options.beyond_range,
            seals=LookLedger(outputs).closed(),
        )
    for line in account.lines():
        _say(line)
    rate = f"{account.seconds:.1f} s, {account.rows / max(account.seconds, 1e-9):,.0f} rows/s"
    events = f"{account.rows:,} events, " if account.answers != account.rows else ""
    print(f"{path}: {events}{account.answers:,} rows ({rate})")
    found: PredictResult = {
        "file": str(path),
        "rows": account.rows,
        "answers": account.answers,
        "seconds": account.seconds,
        "missing": account.gaps,
        "unseen": {column: sorted(values) for column, values in account.unseen.items()},
        "beyond": account.ranges.columns,
    }
    return Outcome(found)


def _options(words: list[str]) -> Any:
    parser = Parser("predict", "Predict the rows of a file, in pieces that fit into memory.")
    parser.add_argument(
        "run", help="a run, models:/NAME@ALIAS, models:/NAME/3, runs:/ID/model, or a model's folder"
    )
    parser.add_argument(
        "input", metavar="IN", help="a .csv (.csv.gz), .parquet or .npy file, or a folder of images"
    )
    parser.add_argument(
        "output", metavar="OUT", help="a .csv, .csv.gz or .parquet file, replaced if there is one"
    )
    parser.add_argument("--embed", action="store_true", help="the model's representation instead")
    parser.add_argument("--ensemble", action="store_true", help="the mean over the models of all folds")
    parser.add_argument(
        "--beyond-range",
        action="store_true",
        help="a column beyond_range: how many numbers of the row are beyond the range of the training rows",
    )
    parser.add_argument(
        "--batch", type=int, default=1024, help="rows that the network sees at once (default: %(default)s)"
    )
    parser.add_argument("--device", default="cpu", help="auto, cpu, cuda, … (default: %(default)s)")
    parser.add_argument("--uri", help="the MLflow store of models:/ and runs:/, if not that of the outputs")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.allow()
    return parser.parse_args(words)


def _say(text: str) -> None:
    print(f"! {text}", file=sys.stderr)
