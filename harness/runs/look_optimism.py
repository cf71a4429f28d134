"""How much too good the best of several scores on the same test rows is expected to be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import NormalDist
from typing import Any

from harness.core.name_list import counted
from harness.runs.run_result import Summary
from harness.runs.seal_errors import Looks, Opened

_NORMAL = NormalDist()
_OF_95 = 2 * _NORMAL.inv_cdf(0.975)


def expected_optimism(models: int, error: float) -> float:
    """The expected excess of the best of the scores of `models` equally good models over what they are worth.

    The expected maximum of that many independent normal variables with standard deviation `error`, by the
    formula of Blom (1958, Statistical Estimates and Transformed Beta-Variables). Errors of models on the same
    rows are not independent, so that it is less in truth: the figure is an upper estimate.

    Args:
        models: 1 or more; of one model it is 0.
        error: the standard error of the score.
    """
    return error * _NORMAL.inv_cdf((models - 0.375) / (models + 0.25))


def standard_error(score: Summary) -> float | None:
    """The standard error of a score, over the rows of one test part or over the folds; None: unknown."""
    ends = score.get("ci95_rows")
    if ends is not None:
        return float(ends[1] - ends[0]) / _OF_95
    folds, std = score["folds"], score["std"]
    return None if std is None or not math.isfinite(std) else float(std) / math.sqrt(len(folds))


def look_facts(rows: int, looks: Looks, scores: Mapping[str, Summary], monitor: str) -> dict[str, Any]:
    """The entry `test_rows` of `result.json`, see `Result`.

    Args:
        rows: how many test rows there are.
        scores: of the run, by full name.
        monitor: the score that decides the best epoch; its test score is the one whose optimism is given.
    """
    name = f"test/{monitor.partition('/')[2]}"
    error = standard_error(scores[name]) if name in scores else None
    optimism = None if error is None else expected_optimism(looks.models, error)
    facts = {"rows": rows, "sealed": None, "look": looks.number, "models": looks.models}
    return facts | {"score": None if error is None else name, "optimism": optimism}


def sealed_facts(rows: int, seal: str) -> dict[str, Any]:
    """The entry `test_rows` of `result.json` of a run whose test rows are sealed."""
    return {"rows": rows, "sealed": seal} | dict.fromkeys(("look", "models", "score", "optimism"))


def look_sentence(
    facts: Mapping[str, Any] | None, run: str = "RUN", opened: Opened | None = None, finished: bool = True
) -> str:
    """What the entry `test_rows` of `result.json` says; "" where there is none.

    Args:
        run: how the run is named in a command.
        opened: for which other run the seal of the rows was opened, and when.
        finished: whether the run is; another cannot be scored.
    """
    if not facts:
        return ""
    rows = counted(facts["rows"], "test row")
    if facts["sealed"] is not None and not finished:
        return f"{rows} sealed as {facts['sealed']}"
    if facts["sealed"] is not None and opened is not None:
        return (
            f"{rows} sealed as {facts['sealed']} until {opened['time'][:10]}, when {opened['run']} was "
            f"scored; `python -m harness evaluate {run}` scores this run too, and counts the look"
        )
    if facts["sealed"] is not None:
        return f"{rows} sealed; `python -m harness unseal {facts['sealed']} --run {run}` scores them, once"
    sentence = f"the {ordinal(facts['look'])} look at {'this' if facts['rows'] == 1 else 'these'} {rows}"
    if facts["models"] < 2 or facts["optimism"] is None:
        return sentence
    return (
        f"{sentence}, of {facts['models']:,} models; the best {facts['score']} of so many is expected to be "
        f"up to {facts['optimism']:.2g} too good"
    )


def ordinal(number: int) -> str:
    """`1st`, `2nd`, `3rd`, `14th`."""
    last, teen = number % 10, number // 10 % 10 == 1
    return f"{number:,}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(last, 'th')}"
