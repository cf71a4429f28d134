"""`python -m benchmarks [SCRIPT] [--rounds N]`: prints tables; all together are stored."""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.measure import Comparison

SCRIPTS = ("step", "startup", "job", "data", "images")


def main() -> None:
    """Runs what is named, or everything."""
    parser = argparse.ArgumentParser("python -m benchmarks", description="Ratios to named alternatives.")
    parser.add_argument("script", nargs="?", choices=SCRIPTS, help="one alone; it is not stored then")
    parser.add_argument("--rounds", type=int, help="how often each contender is measured")
    options = parser.parse_args()
    words = [options.script or "", f"--rounds {options.rounds}" if options.rounds else ""]
    facts = report.circumstances(" ".join(["python -m benchmarks", *filter(None, words)]))
    comparisons: list[Comparison] = []
    for name in [options.script] if options.script else SCRIPTS:
        script = import_module(f"benchmarks.{name}")
        comparisons += script.main(options.rounds or script.ROUNDS)
    print(report.page(comparisons, facts))
    if options.script is None:
        report.store(comparisons, facts, Path(__file__).parent)


if __name__ == "__main__":
    main()
