"""`python -m harness evaluate RUN [data/extract=…]`: the scores of a trained run on other rows."""

from __future__ import annotations

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Scores a trained run without fitting anything; the evaluation is stored as a run of its own.

    Raises:
        UserError: there is no such run, or its model and the rows do not fit each other.
    """
    parser = Parser("evaluate", "Score a trained run on other rows: a run of its own, linked to the first.")
    parser.add_argument(
        "run", help="the run: its folder, its name, its MLflow id, SWEEP/recommended, or last"
    )
    parser.add_argument(
        "overrides", nargs="*", help="where the rows come from, data/extract=CHOICE or data.extract.KEY=VALUE"
    )
    parser.add_argument(
        "--ensemble", action="store_true", help="the models of all folds together, by their mean"
    )
    parser.add_argument("--all", action="store_true", help="of the run's own data, also the rows it learned")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.allow()
    options = parser.parse_intermixed_args(words)

    from pathlib import Path

    from harness.bundle import allowlist
    from harness.replay.evaluate_config import touched
    from harness.replay.evaluate_run import evaluate
    from harness.runs.outputs import Outputs, may_move
    from harness.runtime.provenance import command
    from harness.runtime.secret_values import Secrets
    from harness.tracking.fetch_run import fetcher

    outputs = Path(options.outputs)
    logged = allowlist.adopted(
        Outputs(outputs).find(options.run, fetcher()), outputs, options.allow, touched(options.overrides)
    )
    moving = may_move(options.run)
    named = [logged.label if moving and word == options.run else word for word in words]
    folder, result = evaluate(
        logged,
        options.overrides,
        options.outputs,
        Secrets(None, options.overrides).text(command(["evaluate", *named])),
        together=options.ensemble,
        everything=options.all,
    )
    return Outcome.of(folder, result)
