"""`python -m harness why SWEEP|RUN`: why trials failed, and what to change in the next sweep."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.cli.json_results import WhyResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser
from harness.core.errors import Diverged, Frozen, OutOfMemory, Pruned, Unproved, UserError

_PREFIXES = tuple(f"{kind.__name__}: " for kind in (Diverged, Frozen, OutOfMemory, Pruned, Unproved))
"""Before errors of harness in `result.json`, whose sentences say all."""

_ENDS = {
    "finished": "has finished",
    "failed": "failed",
    "pruned": "was pruned",
    "interrupted": "was interrupted",
}


def main(words: list[str]) -> Outcome:
    """Prints a sentence per line.

    Raises:
        UserError: there is no such sweep or run, or the sweep has not ended.
    """
    parser = Parser("why", "Why trials of a sweep failed and where its best ones lie; how a run ended.")
    parser.add_argument("name", help="a sweep or a run")
    parser.add_argument("--outputs", default="outputs", help="where they are (default: %(default)s)")
    options = parser.parse_args(words)
    outputs = Path(options.outputs)

    from harness.runs.outputs import Outputs

    folder = Outputs(outputs).sweep_folder(options.name)
    statements = _of_run(options.name, outputs) if folder is None else _of_sweep(folder)
    for statement in statements:
        print(statement["text"])
    if not statements:
        print("no trial failed, and no setting changes the score by more than chance")
    result: WhyResult = {"statements": statements}
    return Outcome(result)


def _of_sweep(folder: Path) -> list[dict[str, Any]]:
    from harness.runs.sweep_folders import read_result

    content = read_result(folder)
    if content is None or "why" not in content:
        raise UserError(
            f"{folder.name} has not ended, or an earlier version of harness ended it",
            "why explains a sweep that has ended; run its command again to end it",
            value=folder.name,
        )
    return list(content["why"])


def _of_run(name: str, outputs: Path) -> list[dict[str, Any]]:
    from harness.runs.outputs import Outputs
    from harness.tracking.fetch_run import fetcher

    run = Outputs(outputs).find(name, fetcher())
    result = run.result
    ended = "has not ended" if result is None else _ENDS[result.status]
    error = "" if result is None or result.error is None else f": {_plain(result.error)}"
    return [{"kind": "run", "key": None, "p": None, "text": f"{run.label} {ended}{error}"}]


def _plain(error: str) -> str:
    """An error as a sentence, without the name of a class of harness."""
    return next((error.removeprefix(prefix) for prefix in _PREFIXES if error.startswith(prefix)), error)
