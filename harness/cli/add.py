"""`python -m harness add SWEEP KEY=VALUE ...`: one more trial of a sweep that runs."""

from __future__ import annotations

from pathlib import Path

from harness.cli.json_results import AddResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError


def main(words: list[str]) -> Outcome:
    """Queues the point; the next free worker takes it.

    Raises:
        UserError: there is no such sweep, it has ended, or the point is not in its space.
    """
    parser = Parser("add", "Add a trial to a sweep that runs, beside its budget.")
    parser.add_argument("sweep", help="the sweep")
    parser.add_argument(
        "overrides",
        nargs="+",
        metavar="KEY=VALUE",
        help="values of swept keys; the sampler chooses the others",
    )
    parser.add_argument("--storage", help="sweep.storage of the sweep, where its study is in a database")
    parser.add_argument("--outputs", default="outputs", help="where the sweeps are (default: %(default)s)")
    options = parser.parse_intermixed_args(words)

    from harness.config.overrides import Overrides
    from harness.sweep.control.live_sweep import LiveSweep

    sweep = LiveSweep.open(options.sweep, Path(options.outputs), options.storage)
    point = {}
    for override in Overrides.parse(options.overrides):
        if override.is_delete() or override.is_sweep_override():
            raise UserError(f"add takes one value of each key, got {override.input_line}", "write KEY=VALUE")
        point[override.key_or_group] = override.value()
    number, complete = sweep.add(point)
    shown = " ".join(f"{key}={value}" for key, value in complete.items())
    print(f"trial {number} of {sweep.name} waits: {shown}")
    if not sweep.workers:
        print(f"no command is running {sweep.name} now; its command continues it")
    result: AddResult = {"sweep": sweep.name, "trial": number, "point": dict(complete)}
    return Outcome(result)
