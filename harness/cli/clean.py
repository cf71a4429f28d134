"""`python -m harness clean`: removes runs, checkpoints and cache that are no longer needed; asks first."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from harness.cli.json_results import CleanResult, Removable
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import UserError

_LENGTHS = {"m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def main(words: list[str]) -> Outcome:
    """Lists what will be removed, asks, and removes it; without options only what is certainly useless.

    Raises:
        UserError: an option is wrong, there is no terminal to ask on, or MLflow's registry does not answer.
    """
    options = _parser().parse_args(words)
    older = None if options.older is None else _milliseconds(options.older)
    outputs = Path(options.outputs).absolute()
    if not outputs.is_dir():
        raise UserError(
            f"--outputs names the folder of the runs, and there is none at {outputs}", "name another"
        )

    from harness.clean.protected_entries import spared
    from harness.clean.removal_summary import lines
    from harness.clean.select_entries import Choice, chosen

    narrowed = older is not None or options.keep is not None or options.status
    what = _list(options.what) or (("runs",) if narrowed else ())
    choice = Choice(what, older, options.keep, options.by, _list(options.status))
    removable = chosen(outputs, choice)
    kept = spared(removable, outputs, options.uri)
    entries = [entry for entry in removable if entry.path not in kept]
    for line in lines(entries, kept, outputs):
        print(line)
    listed: list[Removable] = [
        {"kind": entry.kind, "path": str(entry.path), "bytes": entry.size} for entry in entries
    ]
    stays = {str(path): why for path, why in kept.items()}
    removed = 0
    if not entries:
        print("nothing to remove.")
    elif options.dry:
        print("nothing was removed (--dry).")
    elif _agreed(options.yes):
        removed = _remove(entries, outputs, options.uri, "mlflow" in what)
    else:
        print("nothing was removed.")
    found: CleanResult = {"found": listed, "stays": stays, "removed": removed}
    return Outcome(found)


def _parser() -> Parser:
    parser = Parser(
        "clean",
        "Remove what is of no more use: checkpoints of finished runs, what killed processes left in "
        "the cache, "
        "empty folders; or what the options say. Runs stay that are running, whose model is "
        "registered, or from "
        "whose weights another run started.",
    )
    parser.add_argument(
        "--older", metavar="AGE", help="only what was last written to so long ago: 12h, 30d, 8w"
    )
    parser.add_argument("--keep", type=int, metavar="N", help="runs that stay: the newest, or the best --by")
    parser.add_argument(
        "--by", metavar="SCORE", help="the score by which --keep chooses, such as test/accuracy"
    )
    parser.add_argument("--status", help="only runs that ended so: finished, pruned, failed, interrupted")
    parser.add_argument(
        "--what",
        help="of runs (and whole sweeps), checkpoints, cache, trials (of finished sweeps, but the best) and "
        "mlflow (the MLflow runs of what goes); with commas between",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry", action="store_true", help="only say what would go")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    parser.add_argument("--uri", help="the tracking server, where the stored address had a password")
    return parser


def _list(text: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (text or "").split(",") if word.strip())


def _milliseconds(age: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([mhdw])", age)
    if match is None:
        raise UserError(
            f"--older takes an age such as 45m, 12h, 30d or 8w, got {age}", "give a number and a unit"
        )
    return int(float(match[1]) * _LENGTHS[match[2]] * 1000)


def _agreed(yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise UserError(
            "clean asks before it removes, and standard input is no terminal", "add --yes, or --dry to look"
        )
    return input("Remove all this for good? [y/N] ").strip().lower() in ("y", "yes")


def _remove(entries: list[Any], outputs: Path, uri: str | None, in_mlflow: bool) -> int:
    """The number of folders that were removed."""
    from harness.clean.mlflow_runs import delete_runs
    from harness.clean.remove_entries import remove
    from harness.core.name_list import counted

    states: list[Any] = []
    count = 0
    for entry in entries:
        states_of_entry = [run.state for run in entry.runs]  # read while the folder is there
        if remove(entry, outputs):
            count, states = count + 1, [*states, *states_of_entry]
        else:
            print(f"stays  {entry.path.relative_to(outputs)}: it is running now, or gone already")
    print(f"{counted(count, 'folder')} removed.")
    if in_mlflow and any(states):
        print(f"{counted(delete_runs(states, uri), 'run')} deleted in MLflow.")
    return count
