"""Differences in code, machine, packages and data between a run and now, and of the scores of its rerun."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.console.text_format import Line, number, table_lines
from harness.core.name_list import listed
from harness.runs.run_result import Result
from harness.runs.stored_run import StoredRun, changes
from harness.runtime import provenance

_FIRST = (
    "torch",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "timm",
    "pytorch-metric-learning",
    "safetensors",
)
"""Packages that affect scores most; if they differ, they are named first."""

_MOST_NAMES = 6
_CLOCK = "time/"
"""Scores that are measured times, which differ between any two trainings."""


def surroundings(logged: StoredRun) -> Iterator[str]:
    """Yields sentences about the code, the machine and the packages if these differ."""
    tags = logged.tags
    yield from _code(logged, provenance.code(), tags)
    machine = provenance.machine()
    for key, what in {"python": "Python", "platform": "the platform", "cpus": "the number of CPUs"}.items():
        if key in tags and tags[key] != machine[key]:
            yield f"{what} was {tags[key]}, and is {machine[key]}"
    if tags.get("command", "").startswith("torchrun"):
        yield "it ran in several processes, and this is one: its scores come out the same to about 1e-5"
    if not logged.packages:
        yield "which packages it ran with is not known: it did not end, or its packages.txt is gone"
    else:
        yield from _packages(changes(logged.packages, provenance.packages()))


def _code(logged: StoredRun, code: provenance.Code, tags: Mapping[str, str]) -> Iterator[str]:
    now = code.commit or "not a git repository"
    then = tags.get("git.commit", now)
    if then != now:
        yield f"the commit was {_short(then)}, and is {_short(now)}"
    dirty = tags.get("git.dirty") == "true"
    if dirty and not (code.dirty and then == now and _stored_diff(logged.folder) == code.diff):
        yield "its code had uncommitted changes, which are in its code.diff"
    if code.dirty and not (dirty and then == now and _stored_diff(logged.folder) == code.diff):
        yield "the code has uncommitted changes now"


def _short(commit: str) -> str:
    return commit if " " in commit else commit[:10]


def _stored_diff(folder: Path) -> str | None:
    try:
        return (folder / "code.diff").read_text(encoding="utf-8")
    except OSError:
        return None


def _packages(versions: Mapping[str, tuple[str, str]]) -> Iterator[str]:
    if versions:
        names = sorted(
            versions, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name)
        )
        changes = (f"{name} {versions[name][0]} -> {versions[name][1]}" for name in names)
        yield f"packages differ: {listed(changes, _MOST_NAMES)}"


def data(logged: StoredRun, digest: str) -> str | None:
    """Returns a sentence if the data has changed."""
    then = logged.tags.get("data.digest")
    if then is None or then == digest:
        return None
    return f"the data has changed: its digest was {then}, and is {digest}"


def side_by_side(old: Result, new: Result) -> list[Line]:
    """Returns a table of the test scores, or without these of the valid scores: old, new, difference."""
    shared = [name for name in new.scores if name in old.scores]
    part = "test/" if any(name.startswith("test/") for name in shared) else "valid/"
    rows = []
    for name in shared:
        if name.startswith(part):
            before, after = old.scores[name]["mean"], new.scores[name]["mean"]
            known = before is not None and after is not None
            gap = ("0" if after == before else f"{after - before:+.1e}") if known else "-"
            rows.append([(name, ""), (number(before), ""), (number(after), ""), (gap, "")])
    return table_lines(["score", "then", "now", "difference"], rows) if rows else []


def unequal(old: Result, new: Result) -> dict[str, tuple[Any, Any]]:
    """Returns the scores that both have and that differ in any bit of any fold, except measured times."""
    shared = [name for name in old.scores if name in new.scores and not name.startswith(_CLOCK)]
    # What follows from the folds, such as an interval, may be computed otherwise by another version.
    kept = ("mean", "folds", "pooled")
    then, now = (
        {name: {key: result.scores[name].get(key) for key in kept} for name in shared}
        for result in (old, new)
    )
    return changes(then, now)


def verdict(old: Result, new: Result) -> str:
    """One sentence on whether two results are equal to the last bit."""
    shared = [name for name in old.scores if name in new.scores and not name.startswith(_CLOCK)]
    differ = unequal(old, new)
    if not differ:
        return f"All {len(shared)} scores are equal to the last bit."
    name, (then, now) = next(iter(differ.items()))
    return (
        f"{len(differ)} of {len(shared)} scores differ, the first of them {name}: "
        f"{then['mean']!r} then, {now['mean']!r} now."
    )


def as_stored(result: Result) -> Result:
    """Returns a result as it is read from its file: undefined numbers are None."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, list):
            return [plain(item) for item in value]
        return None if isinstance(value, float) and not math.isfinite(value) else value

    return replace(result, scores=plain(result.scores))
