"""`python -m harness unseal NAME --run RUN`: scores the sealed test rows of one run, once."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Scores the test rows, adds scores and predictions to the run, and opens the seal.

    Pages of other runs, which offered to open it, are written again.

    Raises:
        UserError: there is no such seal or run, the seal was opened before, or the run cannot be scored.
    """
    parser = Parser("unseal", "Score the sealed test rows of one run. A seal is opened once.")
    parser.add_argument("name", help="the seal, as a run with split.sealed=true prints it")
    parser.add_argument(
        "--run", required=True, help="the run: its folder, its name, SWEEP/recommended, or last"
    )
    parser.add_argument("overrides", nargs="*", help="secrets of the run, which are never stored: KEY=VALUE")
    parser.add_argument("--outputs", default="outputs", help="where the runs are (default: %(default)s)")
    options = parser.parse_intermixed_args(words)

    from harness.cli.remake_page import remake_sealed_pages
    from harness.console.text_format import put, score_table, terminal_width
    from harness.replay.rerun_config import quoted_words
    from harness.replay.rerun_overrides import read
    from harness.replay.unseal_run import unseal
    from harness.runs.look_optimism import look_sentence
    from harness.runs.outputs import Outputs

    outputs = Path(options.outputs)
    logged = Outputs(outputs).find(options.run)
    result = unseal(options.name, logged, read(quoted_words(logged, options.overrides)), outputs)
    if "trial" in logged.tags:  # a trial prints nothing
        for line in score_table(result, terminal_width()):
            put(line, sys.stdout)
        print(f"\n{look_sentence(result.test_rows)}")
    for remark in remake_sealed_pages(options.name, outputs):
        print(f"! {remark}", file=sys.stderr)
    return Outcome.of(logged.folder, result)
