"""`python -m harness sync [RUN]`: sends to MLflow what it has not received yet."""

from __future__ import annotations

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Prints a line per run; without a RUN, looks through the whole output folder.

    Raises:
        UserError: there is no such run, or its tracking address needs a password.
    """
    parser = Parser("sync", "Bring MLflow up to date.")
    parser.add_argument("run", nargs="?", help="a run: its folder, its name, SWEEP/best, or last; else all")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.add_argument("--uri", help="the tracking server, where the stored address had a password")
    options = parser.parse_args(words)

    from harness.tracking.sync_runs import sync

    lines = sync(options.run, options.outputs, uri=options.uri)
    for line in lines:
        print(line)
    return Outcome({"lines": lines})
