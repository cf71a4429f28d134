"""Contenders on public tables: mean rank, normalised score, paired wins and losses, and time.

    python -m benchmarks tables                                     # all of `table_sets.py`, five folds
    python -m benchmarks tables --sets concrete vehicle             # some
    python -m benchmarks tables --contenders default realmlp
    python -m benchmarks tables --page                              # writes tables.md alone

Each outcome is written to `tables.json` as soon as it is there. A later command measures what is missing, or
was measured with other words or another number of folds; `--again` measures the chosen ones in any case, such
as after a default has changed. RealMLP-TD needs `pip install pytabkit==1.8.0`; without it that contender
fails, the others go on.

All contenders have the same folds. The score is R2 of a number, AUROC of two classes and accuracy of several,
normalised by the best (1) and the worst (0) contender of a table. A win or loss is a difference over the
folds whose 95 % interval is on one side of 0.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.table_contenders import CONTENDERS, WEIGHTS, measure, settings_digest
from benchmarks.table_outcomes import Outcomes, TableFacts
from benchmarks.table_page import page
from benchmarks.table_sets import SETS, TableSet

NAME = "tables"


def measure_missing(
    outcomes: Outcomes, tables: Sequence[TableSet], contenders: Sequence[str], folds: int, again: bool = False
) -> int:
    """Measures what the file does not hold, the cheapest first; the number of contenders that failed."""
    frames = {table.name: TableFacts.of(table, table.rows()) for table in tables}
    for name, facts in frames.items():
        outcomes.add_table(name, facts)
    pairs = [(table, contender) for table in tables for contender in contenders]
    pairs.sort(key=lambda pair: frames[pair[0].name].rows * WEIGHTS.get(pair[1], 1))
    failed, warm = 0, False
    for table, contender in pairs:
        try:
            settings = settings_digest(contender, table, folds)
            if not again and outcomes.holds(table.name, contender, settings):
                continue
            if not warm:  # the first training of a process also imports, which is not a contender's time
                measure(table, contender, folds, settings)
                warm = True
            for outcome in measure(table, contender, folds, settings):
                outcomes.add(outcome)
                print(
                    f"{table.name}, {outcome.contender}: {outcome.seconds:.0f} s", file=sys.stderr, flush=True
                )
        except Exception as error:
            failed += 1
            print(f"{table.name}, {contender} failed: {type(error).__name__}: {error}", file=sys.stderr)
    return failed


def main(words: Sequence[str] | None = None, folder: Path = Path(__file__).parent) -> int:
    """Measures and writes the page; 1 where a contender failed, or no package with tables is installed."""
    parser = argparse.ArgumentParser("python -m benchmarks tables", description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[table.name for table in SETS], help="some alone")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--again", action="store_true", help="measures the chosen ones anew")
    parser.add_argument(
        "--page", action="store_true", help="measures nothing, writes the page from what is stored"
    )
    options = parser.parse_args(words)
    outcomes = Outcomes(folder / f"{NAME}.json")
    chosen = [table for table in SETS if options.sets is None or table.name in options.sets]
    present = [table for table in chosen if table.path is not None]
    failed = 0
    if not options.page:
        absent = ", ".join(table.name for table in chosen if table.path is None)
        if absent:
            print(f"left out, since their packages are not installed (see table_sets.py): {absent}")
        failed = measure_missing(outcomes, present, options.contenders, options.folds, options.again)
    text = page(outcomes)
    (folder / f"{NAME}.md").write_text(text, encoding="utf-8")
    print(text)
    return int(bool(failed) or not (present or options.page))


if __name__ == "__main__":
    sys.exit(main())
