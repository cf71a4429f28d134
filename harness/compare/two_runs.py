"""The differences of two runs apart from their scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.compare.parameter_differences import rounded
from harness.config.argument_defaults import with_defaults
from harness.runs.fold_rows import read_rows
from harness.runs.setting_effects import below
from harness.runs.stored_run import StoredRun, changes

Changes = dict[str, tuple[str, str]]
"""Name -> (old, new)."""

_NOT_OF_A_RUN = ("baseline", "evaluate.importance", "harness", "sweep")
_DATA = ("name", "source", "digest")
_CODE = ("git.commit", "git.branch", "git.dirty", "python", "platform", "cpus")


def differences(old: StoredRun, new: StoredRun) -> dict[str, Changes]:
    """The differences in configuration, data, code and packages; {} where there are none."""
    return {
        "configuration": _in_few_digits(changes(*with_defaults([_settings(old), _settings(new)]))),
        "data": _texts(changes(_data(old), _data(new))) | _division(old, new),
        "code": _texts(changes(_some(old.tags, _CODE), _some(new.tags, _CODE))) | _diff(old, new),
        "packages": _packages(old, new),
    }


def _settings(run: StoredRun) -> dict[str, str]:
    """As in the journal: resolved, and without secrets; not those of messages, the sweep and
    what stands beside the scores."""
    return {key: text for key, text in run.start["params"].items() if not below(key, _NOT_OF_A_RUN)}


def _some(texts: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: texts[name] for name in names if name in texts}


def _data(run: StoredRun) -> dict[str, Any]:
    inputs = run.start["inputs"]
    source = _some(inputs[0], _DATA) if inputs else {}
    return source | {f"{part['context']} rows": part.get("rows") for part in inputs}


def _texts(pairs: Mapping[str, tuple[Any, Any]]) -> Changes:
    return {key: (str(old), str(new)) for key, (old, new) in pairs.items()}


def _in_few_digits(pairs: Mapping[str, tuple[Any, Any]]) -> Changes:
    shown = {key: rounded(list(map(str, pair))) for key, pair in pairs.items()}
    return {key: (old, new) for key, (old, new) in shown.items()}


def _division(old: StoredRun, new: StoredRun) -> Changes:
    """Whether the split differs, where both runs have the same data."""
    if old.tags.get("data.digest") != new.tags.get("data.digest"):
        return {}
    first, second = _parts(old.folder), _parts(new.folder)
    if first is None or second is None or np.array_equal(first, second):
        return {}
    return {"split": (f"{len(first)} folds", f"{len(second)} folds, with other rows in the parts")}


def _parts(folder: Path) -> np.ndarray | None:
    stored = read_rows(folder)
    return None if stored is None else stored.parts


def _diff(old: StoredRun, new: StoredRun) -> Changes:
    """Whether `code.diff`, the uncommitted changes, differs."""
    first, second = _lines(old.folder), _lines(new.folder)
    if first == second:
        return {}
    sizes = [f"{len(lines)} lines" if lines else "none" for lines in (first, second)]
    return {"code.diff": (sizes[0], sizes[1] + (", different ones" if first and second else ""))}


def _lines(folder: Path) -> list[str]:
    try:
        return (folder / "code.diff").read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _packages(old: StoredRun, new: StoredRun) -> Changes:
    if not old.packages or not new.packages:  # a run that did not end has no list
        return {}
    return _texts(changes(old.packages, new.packages))
