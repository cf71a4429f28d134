"""Contenders on public tables: mean rank, normalised score, paired wins and losses, and time.

    python -m benchmarks tables                                     # all of `table_sets.py`, five folds
    python -m benchmarks tables --sets concrete vehicle --folds 3   # some
    python -m benchmarks tables --contenders default realmlp

All contenders have the same folds. The score is R2 of a number, AUROC of two classes and accuracy of several,
normalised by the best (1) and the worst (0) contender of a table. A win or loss is a difference over the
folds whose 95 % interval is on one side of 0.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from time import perf_counter
from typing import NamedTuple

from benchmarks.table_sets import SETS, TARGET, TableSet
from harness import run

_ROBUST = "data/transform/numeric=robust"
_PIECEWISE = "model/numeric=piecewise_linear"

CONTENDERS: dict[str, dict[str, list[str]]] = {
    name: {"classification": words, "regression": words}
    for name, words in {
        "default": [],
        "robust, piecewise linear": [_ROBUST, _PIECEWISE],
        "tabm": ["model=tabm", _ROBUST, _PIECEWISE],
    }.items()
}
"""Overrides of each contender by the kind of target."""
CONTENDERS["realmlp"] = {
    "classification": ["experiment=realmlp"],
    "regression": ["experiment=realmlp_regression"],
}

FITTED = ("linear", "boosting")
"""Baselines that the run of the first contender fits on the same folds."""


class Contender(NamedTuple):
    """The scores of a contender on the folds of a table, higher is better, and the seconds of the whole run.

    None: the time of a baseline is not measured by itself.
    """

    scores: list[float]
    seconds: float | None


def measure(table: TableSet, names: Sequence[str], folds: int) -> dict[str, Contender]:
    """Trains the contenders on a table, the fitted baselines beside the first of them."""
    frame = table.rows()
    classes = frame[TARGET].nunique() if table.task == "classification" else 0
    score = {0: "r2", 2: "auroc"}.get(classes, "accuracy")
    found: dict[str, Contender] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        frame.to_csv(path, index=False)
        words = [
            "data/extract=csv",
            f"data.extract.path={path}",
            f"data.extract.target={TARGET}",
            f"data.extract.task={table.task}",
            f"split={'stratified_kfold' if classes else 'kfold'}",
            f"split.folds={folds}",
            "split.guard=off",
            "tracking=none",
            "report=false",
            "data.cache=off",
            "trainer.device=cpu",
        ]
        for number, name in enumerate(names):
            place, begun = Path(folder) / str(number), perf_counter()
            with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
                run(
                    [*CONTENDERS[name][table.task], *words, f"baseline={'off' if number else 'all'}"],
                    folder=place,
                )
            scores = json.loads((place / "result.json").read_text())["scores"]
            found[name] = Contender(_folds(scores, f"test/{score}"), perf_counter() - begun)
            for kind in FITTED if number == 0 else ():
                key = f"test/{score}_baseline_{kind}"
                if key in scores:
                    found[kind] = Contender(_folds(scores, key), None)
    return found


def _folds(scores: Mapping[str, object], name: str) -> list[float]:
    entry = scores[name]
    assert isinstance(entry, dict)
    return [math.nan if value is None else float(value) for value in entry["folds"]]


def ranks(outcomes: Mapping[str, Contender]) -> dict[str, float]:
    """The rank of each contender's mean, 1 for the best; equal ones share the mean of their ranks."""
    means = {name: statistics.fmean(outcome.scores) for name, outcome in outcomes.items()}
    return {
        name: 1 + sum(other > mean for other in means.values()) + (list(means.values()).count(mean) - 1) / 2
        for name, mean in means.items()
    }


def normalised(outcomes: Mapping[str, Contender]) -> dict[str, float]:
    """Each contender's mean between that of the worst (0) and of the best (1); 1 where all are equal."""
    means = {name: statistics.fmean(outcome.scores) for name, outcome in outcomes.items()}
    low, high = min(means.values()), max(means.values())
    return {name: 1.0 if high == low else (mean - low) / (high - low) for name, mean in means.items()}


def difference(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float, float]:
    """The mean difference over folds and its 95 % interval by Student's t."""
    from scipy.stats import t

    gaps = [own - other for own, other in zip(ours, theirs, strict=True)]
    mean = statistics.fmean(gaps)
    if len(gaps) < 2:
        return mean, -math.inf, math.inf
    half = float(t.ppf(0.975, len(gaps) - 1)) * statistics.stdev(gaps) / len(gaps) ** 0.5
    return mean, mean - half, mean + half


def page(found: Mapping[str, Mapping[str, Contender]]) -> str:
    """Markdown: the contenders over all tables, and the scores on each."""
    names = list(dict.fromkeys(name for outcomes in found.values() for name in outcomes))
    lines = ["| contender | mean rank | normalised score | wins : losses against boosting | seconds |"]
    lines += ["|---|--:|--:|--:|--:|"]
    for name in names:
        own = [outcomes for outcomes in found.values() if name in outcomes]
        rank = statistics.fmean(ranks(outcomes)[name] for outcomes in own)
        score = statistics.fmean(normalised(outcomes)[name] for outcomes in own)
        paired = [
            difference(outcomes[name].scores, outcomes["boosting"].scores)
            for outcomes in own
            if "boosting" in outcomes and name != "boosting"
        ]
        wins, losses = sum(low > 0 for _, low, _ in paired), sum(high < 0 for _, _, high in paired)
        times = [seconds for outcomes in own if (seconds := outcomes[name].seconds) is not None]
        against = "" if name == "boosting" else f"{wins} : {losses} of {len(paired)}"
        time = f"{statistics.fmean(times):.1f}" if times else ""
        lines.append(f"| {name} | {rank:.2f} | {score:.3f} | {against} | {time} |")
    lines += ["", f"| table | {' | '.join(names)} |", f"|---|{'--:|' * len(names)}"]
    for table, outcomes in found.items():
        cells = [f"{statistics.fmean(outcomes[n].scores):.4f}" if n in outcomes else "" for n in names]
        lines.append(f"| {table} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(words: Sequence[str] | None = None) -> int:
    """Prints the tables; 1 where no package with tables is installed."""
    parser = argparse.ArgumentParser("python -m benchmarks tables", description=__doc__.splitlines()[0])
    parser.add_argument("--sets", nargs="+", choices=[table.name for table in SETS], help="some alone")
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--contenders", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    options = parser.parse_args(words)
    chosen = [table for table in SETS if options.sets is None or table.name in options.sets]
    absent = [table.name for table in chosen if table.path is None]
    if absent:
        print(f"left out, since their packages are not installed (see table_sets.py): {', '.join(absent)}")
    found = {}
    for table in chosen:
        if table.path is not None:
            found[table.name] = measure(table, options.contenders, options.folds)
            print(table.name, file=sys.stderr)
    if found:
        print(page(found))
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
