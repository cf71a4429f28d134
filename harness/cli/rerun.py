"""`python -m harness rerun RUN [OVERRIDES]`: repeats a stored run from the files in its folder."""

from __future__ import annotations

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Trains the stored configuration of a run as a new run, and prints both scores side by side.

    Returns:
        Status 0; 1 where nothing was changed and the scores are not equal to the last bit.

    Raises:
        UserError: there is no such run, a word does not fit it, or it names what it may not.
    """
    parser = Parser("rerun", "Repeat a logged run from its stored configuration, data version and seed.")
    parser.add_argument(
        "run",
        help="its folder, its name below runs, <sweep>/<trial|best|recommended>, last, or an MLflow run id",
    )
    parser.add_argument("overrides", nargs="*", help="what to change of it: GROUP=CHOICE or KEY=VALUE")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.allow()
    parser.add_argument("--uri", help="the MLflow store that has the run, where it is not the default one")
    parser.add_argument("--dry", action="store_true", help="say what would be run, and train nothing")
    options = parser.parse_intermixed_args(words)

    from pathlib import Path

    from harness.replay.rerun_run import Again, rerun
    from harness.runs.outputs import Outputs, may_move
    from harness.runtime.provenance import command
    from harness.runtime.secret_values import Secrets
    from harness.tracking.fetch_run import fetcher

    outputs = Path(options.outputs)
    logged = Outputs(outputs).find(options.run, fetcher(options.uri))
    moving = may_move(options.run)
    place = ["--outputs", options.outputs] if options.outputs != "outputs" else []
    allowed = [word for package in options.allow for word in ("--allow", package)]
    again = Again(
        words=options.overrides,
        outputs=outputs,
        allow=options.allow,
        dry=options.dry,
        command=Secrets(None, options.overrides).text(
            command(["rerun", logged.label if moving else options.run, *options.overrides, *place, *allowed])
        ),
    )
    repeated = rerun(logged, again)
    run = None if repeated.folder is None else Outcome.of(repeated.folder, repeated.result).result
    found = {"equal": repeated.equal, "run": run}
    return Outcome(found, status=1 if repeated.equal is False else 0)
