"""`python -m harness compare [RUN | SWEEP | EXPERIMENT …]`: a leaderboard of runs, with paired tests."""

from __future__ import annotations

import sys
from pathlib import Path

from harness.cli.json_results import CompareResult
from harness.cli.verb_outcome import Outcome
from harness.cli.verb_parser import Parser


def main(words: list[str]) -> Outcome:
    """Prints the leaderboard, for two runs also their differences, and writes the requested files.

    Raises:
        UserError: there is no such run or score, nothing to compare, or a file cannot be written.
    """
    parser = Parser("compare", "Rank runs by a score, and test them against the best.")
    parser.add_argument(
        "runs", nargs="*", help="runs, sweeps, names or experiments; all single runs if left out"
    )
    parser.add_argument(
        "--by", metavar="SCORE", help="the score (default: the test score of what was monitored)"
    )
    parser.add_argument(
        "--each", action="store_true", help="a line per run, also where only the seed differs"
    )
    parser.add_argument("--csv", metavar="FILE", type=Path, help="write everything in unrounded numbers")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write one page that needs no network")
    parser.add_argument(
        "--outputs", default="outputs", type=Path, help="where the runs are (default: %(default)s)"
    )
    options = parser.parse_args(words)

    from harness.compare.compare_runs import compare
    from harness.compare.output_files import check_file, write_csv, write_html
    from harness.console.text_format import put, terminal_width

    for file in (options.csv, options.html):
        if file is not None:
            check_file(file)
    comparison = compare(options.runs, options.outputs, by=options.by, each=options.each)
    written = [
        write(comparison, file)
        for write, file in ((write_csv, options.csv), (write_html, options.html))
        if file
    ]
    for line in comparison.lines(terminal_width()):
        put(line, sys.stdout)
    for file in written:
        put([(f"file    {file}", "")], sys.stdout)
    found: CompareResult = {
        "boards": [
            {
                "data": board.data,
                "score": board.score,
                "better": board.better,
                "rows": [{str(name): cell for name, cell in row.items()} for row in board.lines()],
            }
            for board in comparison.boards
        ],
        "files": [str(file) for file in written],
    }
    return Outcome(found)
