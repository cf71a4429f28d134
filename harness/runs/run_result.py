"""Summaries of scores over folds, and `result.json`, the file for scripts."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, NotRequired

from typing_extensions import TypedDict

from harness.core.baseline_names import with_baseline_names
from harness.core.error_text import printable
from harness.core.errors import UserError
from harness.core.scores import UNLIMITED, Direction
from harness.core.student_t import student_t
from harness.runtime.atomic_file import write_text
from harness.runtime.stored_file import read_json

SCHEMA = 1

Status = Literal["finished", "pruned", "failed", "interrupted"]
Summary = dict[str, Any]
"""{"mean", "std", "ci95": [low, high], "folds": [...]}, as `summarise` returns it; a test score of several
folds also has "pooled", the score of all out-of-fold predictions together, and one of a single fold
"ci95_rows", the interval over its test rows where one can be computed (`harness.report.row_intervals`); one
of
a fitted baseline has "difference", {"mean", "ci95"} of baseline minus network on the same folds or rows."""


class _Difference(TypedDict):
    mean: float | None
    ci95: list[float | None] | None


class _Summary(TypedDict):
    mean: float | None
    std: float | None
    ci95: list[float | None] | None
    folds: list[float | None]
    pooled: NotRequired[float | None]
    ci95_rows: NotRequired[list[float]]
    difference: NotRequired[_Difference]


class _Objective(TypedDict):
    name: str
    direction: Direction
    value: float | None


class _Place(TypedDict):
    tracking_uri: str
    experiment: str
    run_id: str | None


class _Column(TypedDict):
    column: str
    mean: float | None
    std: float | None


class _Importance(TypedDict):
    score: str
    columns: list[_Column]


class _TestRows(TypedDict):
    rows: int
    sealed: str | None
    look: int | None
    models: int | None
    score: str | None
    optimism: float | None


class _Version(TypedDict):
    schema: int


class _Content(_Version):
    status: Status
    objective: NotRequired[_Objective | None]
    scores: NotRequired[dict[str, _Summary]]
    folds: NotRequired[int]
    seconds: NotRequired[float]
    seed: NotRequired[int | None]
    mlflow: NotRequired[_Place | None]
    command: NotRequired[str]
    error: NotRequired[str | None]
    objectives: NotRequired[list[_Objective] | None]
    positive: NotRequired[str | None]
    importance: NotRequired[_Importance | None]
    test_rows: NotRequired[_TestRows | None]


def summarise(values: Sequence[float], limits: tuple[float, float] = UNLIMITED) -> Summary:
    """Returns mean, sample standard deviation and 95 % interval of the mean of one score over the folds.

    The interval is Student's t with k - 1 degrees of freedom, within `limits` (see `interval_within`). Folds
    share training rows, so it is narrower than that of k independent studies would be. A fold on which the
    score is undefined (NaN) stays in `folds` and is left out of the rest; with fewer than two others `std`
    and `ci95` are None, with none the mean is NaN.
    """
    folds = [float(value) for value in values]
    defined = [value for value in folds if not math.isnan(value)]
    mean = math.fsum(defined) / len(defined) if defined else math.nan
    if len(defined) < 2:
        return {"mean": mean, "std": None, "ci95": None, "folds": folds}
    if not all(map(math.isfinite, defined)):
        return {"mean": mean, "std": math.nan, "ci95": [math.nan, math.nan], "folds": folds}
    std = statistics.stdev(defined, mean)
    half = student_t(len(defined) - 1) * std / math.sqrt(len(defined))
    return {"mean": mean, "std": std, "ci95": interval_within(mean, half, limits), "folds": folds}


def interval_within(mean: float, half: float, limits: tuple[float, float]) -> list[float]:
    """Returns `mean` - `half` and `mean` + `half`, or an interval within `limits` where that exceeds them.

    That is computed on the logit of the share of the range, or on the logarithm of the distance to the only
    limit, with the standard error of the delta method (Agresti, Categorical Data Analysis, section 3.1), and
    transformed back. A mean beyond the limits shows that they are not those of this score.
    """
    low, high = limits
    if not low < mean < high or (low <= mean - half and mean + half <= high):
        return [mean - half, mean + half]
    if math.isinf(high):
        return [low + (mean - low) * factor for factor in _factors(half / (mean - low))]
    if math.isinf(low):
        return [high - (high - mean) * factor for factor in reversed(_factors(half / (high - mean)))]
    below, above = mean - low, high - mean
    steps = _factors(half * (high - low) / (below * above))
    return [low + (high - low) * below * step / (below * step + above) for step in steps]


def _factors(step: float) -> list[float]:
    largest = 700.0  # of which the exponential is a number still
    return [math.exp(-min(step, largest)), math.exp(min(step, largest))]


@dataclass(frozen=True, kw_only=True)
class Result:
    """The outcome of a run: exactly the keys of `result.json`.

    status      "finished", "pruned", "failed" or "interrupted"
    objective   {"name", "direction", "value"}, or None if a run ended before it had one
    scores      by full name ("test/accuracy"), each as `summarise` returns it
    folds       how many folds ran
    seconds     wall time
    mlflow      {"tracking_uri", "experiment", "run_id"}, or None without tracking
    command     the command that repeats the run
    error       one line, or None
    objectives  each like `objective`, if a run has several; else None, and not in the file
    positive    of two classes the positive one; of any other target None, and not in the file
    importance  {"score", "columns": [{"column", "mean", "std"}, ...]}, the ten most important columns of a
                table; None, and not in the file, where it was not computed
    test_rows   {"rows", "sealed", "look", "models", "score", "optimism"}: the number of test rows, the name
                of their seal (else None), the number of looks at their scores including this one, of how many
                models these were, and how much the best `score` of so many models is expected to be
                too good (`harness.runs.look_optimism`); None, and not in the file, without test scores
    """

    schema: int = SCHEMA
    status: Status
    objective: dict[str, Any] | None = None
    scores: dict[str, Summary] = field(default_factory=dict)
    folds: int = 0
    seconds: float = 0.0
    seed: int | None = None
    mlflow: dict[str, str] | None = None
    command: str = ""
    error: str | None = None
    objectives: list[dict[str, Any]] | None = None
    positive: str | None = None
    importance: dict[str, Any] | None = None
    test_rows: dict[str, Any] | None = None

    def write(self, path: Path) -> None:
        """Writes the file as `write_json` does."""
        content = dict(vars(self))
        for name in ("objectives", "positive", "importance", "test_rows"):
            if content[name] is None:
                del content[name]
        write_json(path, content)

    @classmethod
    def read(cls, path: Path) -> Result:
        """Reads the result of an earlier run; undefined numbers are read as None, and texts are printable.

        Raises:
            FileNotFoundError: the file does not exist.
            DamagedFile: it is not a result.
            UserError: it was written by a later version of harness.
        """
        schema = read_json(path, _Version)["schema"]
        if schema != SCHEMA:
            raise UserError(
                f"{path} has schema {schema}, and this harness reads schema {SCHEMA}",
                "read it with the version that wrote it",
                key=str(path),
                value=schema,
            )
        content = _printable(read_json(path, _Content))
        content["scores"] = with_baseline_names(content.get("scores", {}))
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known})


def _printable(content: Any) -> Any:
    """The content with control characters as escapes: a run from elsewhere must not control a terminal."""
    if isinstance(content, dict):
        return {printable(key): _printable(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_printable(value) for value in content]
    return printable(content) if isinstance(content, str) else content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Writes strict JSON atomically, with null for NaN and infinities.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    text = json.dumps(strict_json(content), indent=2, allow_nan=False, ensure_ascii=False)
    write_text(path, text + "\n")


def strict_json(value: Any) -> Any:
    """Returns `value` with Python's numbers and containers only, and None for numbers that are not finite."""
    if isinstance(value, Mapping):
        return {str(key): strict_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [strict_json(item) for item in value]
    if hasattr(value, "item"):  # a number of numpy or torch
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
