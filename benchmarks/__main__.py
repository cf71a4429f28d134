"""`python -m benchmarks [SCRIPT ...] [--rounds N] [--store NAME]`: prints tables; all together are stored.
`python -m benchmarks tables [--sets NAME ...]` compares scores instead of times, see `benchmarks/tables.py`;
`python -m benchmarks selection_bias` checks the price of choosing the best trial, `sweep_memory` counts the
trials that a sweep saves by earlier ones, `sweep_regret` and `sweep_until` replay sweeps from learning
curves, which `sweep_curves` records.

A script that fails, or cannot run here, costs the others nothing: its reason stands among their tables.
Tables are stored after each script. Exits with 1 where one failed.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.measure import Comparison, Unable

SCRIPTS = (
    "step",
    "fused",
    "methods",
    "checkpoint",
    "startup",
    "job",
    "data",
    "images",
    "gpu",
    "serving",
    "sweep_overhead",
    "sweep_fused",
    "sweep_utilisation",
    "sweep_thousand",
)

_WITH_OPTIONS = ("tables", "selection_bias", "sweep_memory", "sweep_curves", "sweep_regret", "sweep_until")
"""Scripts with options of their own."""


def main(words: Sequence[str] | None = None, folder: Path = Path(__file__).parent) -> int:
    """Runs what is named, or everything, which is stored in `folder`; the exit status."""
    words = sys.argv[1:] if words is None else words
    if words and words[0] in _WITH_OPTIONS:
        return int(import_module(f"benchmarks.{words[0]}").main(words[1:]))
    parser = argparse.ArgumentParser("python -m benchmarks", description="Ratios to named alternatives.")
    parser.add_argument("scripts", nargs="*", choices=[*SCRIPTS, []], help="some alone")
    parser.add_argument("--store", help="the page's name; results where all are run, else none")
    parser.add_argument("--rounds", type=int, help="how often each contender is measured")
    options = parser.parse_args(words)
    typed = [*options.scripts, f"--rounds {options.rounds}" if options.rounds else ""]
    facts = report.circumstances(" ".join(["python -m benchmarks", *filter(None, typed)]))
    name = options.store or (None if options.scripts else "results")
    comparisons: list[Comparison] = []
    absent = dict.fromkeys(options.scripts or SCRIPTS, "not run yet")
    failed = False
    for script in list(absent):
        try:
            module = import_module(f"benchmarks.{script}")
            comparisons += module.main(options.rounds or module.ROUNDS)
            del absent[script]
        except Unable as reason:
            absent[script] = f"not run: {reason}"
        except Exception as error:
            traceback.print_exc()
            line = str(error).splitlines()[0] if str(error) else ""
            absent[script] = f"failed: {type(error).__name__}: {line}"
            failed = True
        if name is not None:
            report.store(comparisons, facts, folder, absent, name)
    print(report.page(comparisons, facts, absent))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
