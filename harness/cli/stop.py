"""`python -m harness stop SWEEP [TRIAL]`: stops a sweep, or one of its trials, from any shell or machine."""

from __future__ import annotations

from pathlib import Path

from harness.cli.json_results import StopResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Asks for the stop and returns at once.

    Raises:
        UserError: there is no such sweep or trial, or it does not run.
    """
    parser = Parser("stop", "Stop a sweep that runs, as Ctrl-C does; its command continues it. Or one trial.")
    parser.add_argument("sweep", help="the sweep")
    parser.add_argument(
        "trial", nargs="?", type=int, help="a trial that runs or waits, which counts as pruned"
    )
    parser.add_argument("--storage", help="sweep.storage of the sweep, where its study is in a database")
    parser.add_argument("--outputs", default="outputs", help="where the sweeps are (default: %(default)s)")
    options = parser.parse_args(words)

    from harness.sweep.control.live_sweep import LiveSweep

    sweep = LiveSweep.open(options.sweep, Path(options.outputs), options.storage)
    if options.trial is None:
        sweep.stop()
        print(
            f"{sweep.name} stops: each worker ends its step and writes a checkpoint; its command continues it"
        )
    else:
        state = sweep.stop_trial(options.trial)
        print(f"trial {options.trial} of {sweep.name} was {state} and counts as pruned")
    result: StopResult = {"sweep": sweep.name, "trial": options.trial}
    return Outcome(result)
