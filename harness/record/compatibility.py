"""Which settings and data must be equal where a run is resumed."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from harness.config.argument_defaults import with_defaults
from harness.config.earlier_defaults import earlier_words
from harness.core.errors import UserError
from harness.core.fuse_setting import AUTO, FUSE, OFF
from harness.core.name_list import listed
from harness.core.near_names import near
from harness.core.table import Table
from harness.core.typed_override import typed
from harness.prepare.plan import Plan
from harness.runs.fold_rows import parts_of, read_rows
from harness.runs.run_history import RunHistory
from harness.runs.setting_effects import below, fixed_on_resume
from harness.runtime.redact import MASK
from harness.runtime.secret_values import Secrets, leaves

_EXTRACTION = "data.extract"


def settings(config: dict[str, Any]) -> dict[str, str]:
    """Returns the settings that must be equal on resume, by dotted key, as the journal stores them."""
    return fixed_on_resume({key: str(value) for key, value in leaves(config)})


def changed_settings(past: RunHistory, plan: Plan) -> dict[str, tuple[str, str]]:
    """Returns old and new value of every setting that differs and is not in `resume.allow`.

    Settings of the extraction may differ where the rows, columns and roles are the same: an earlier version
    read them with fewer settings.
    """
    today = settings(Secrets(plan.cfg).config)
    old, new = with_defaults([fixed_on_resume(past.settings), today])
    keys = [key for key in dict.fromkeys([*old, *new]) if not _equal(old.get(key), new.get(key))]
    keys = [key for key in keys if not (old.get(key) == "None" and key in plan.chosen)]
    keys = [key for key in keys if key != FUSE or not _same_fuse(past, plan)]
    allowed = [*plan.cfg.resume.allow, *([_EXTRACTION] if _same_table(past, plan) else [])]
    return {key: (old.get(key, "absent"), new.get(key, "absent")) for key in keys if not below(key, allowed)}


def earlier_settings(past: RunHistory, changed: Mapping[str, tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Returns the overrides with which an earlier version of harness began the run, and the keys that they
    explain.

    Args:
        changed: the settings that differ, with old and new value.
    """
    words = earlier_words(past.settings, changed)
    extraction = _earlier_extraction(past, changed)
    return [*extraction, *words.values()], [*([_EXTRACTION] if extraction else []), *words]


def _earlier_extraction(past: RunHistory, changed: Mapping[str, tuple[str, str]]) -> list[str]:
    """The overrides that read the rows as the version of harness did that began the run.

    Empty where the run has all settings of the extraction, or where a value of it is secret.
    """
    extraction = {key: old for key, (old, _) in changed.items() if below(key, [_EXTRACTION])}
    if extraction.keys() <= past.settings.keys() or "absent" in extraction.values():
        return []
    if any(MASK in text for text in extraction.values()):
        return []
    return [_typed(key, text) for key, text in extraction.items()]


def remedy_for(past: RunHistory, changed: Mapping[str, tuple[str, str]], otherwise: str) -> str:
    """Returns what to do where settings of a run changed.

    Args:
        changed: as `changed_settings` returns them.
        otherwise: the remedy where no earlier version of harness explains the change.
    """
    words, explained = earlier_settings(past, changed)
    if not words:
        return otherwise
    others = [key for key in changed if not below(key, explained)]
    reverted = f", and revert {listed(others, most=10)}" if others else ""
    return f"an earlier version of harness began it: go on as it did with {' '.join(words)}{reverted}"


def _typed(key: str, text: str) -> str:
    """A setting as it is typed, from its text in the journal."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return typed(key, text)
    plain = value is None or (isinstance(value, list) and all(isinstance(item, str) for item in value))
    return typed(key, value) if plain else f"{key}={text.lower()}"


def same_source(past: RunHistory, plan: Plan) -> bool:
    """Whether the run read the same file, query or data set, as far as its name shows."""
    read = [] if past.start is None else past.start["inputs"]
    today = (plan.table.name, Secrets(plan.cfg).text(plan.table.source))
    return bool(read) and (read[0]["name"], read[0]["source"]) == today


def _same_fuse(past: RunHistory, plan: Plan) -> bool:
    """Whether a run that resumes trains its folds together, or alone, as before."""
    return str(plan.cfg.get(FUSE, OFF)) in (AUTO, past.settings.get(FUSE, OFF))


def _same_table(past: RunHistory, plan: Plan) -> bool:
    return past.start is not None and past.start["tags"].get("data.digest") == plan.table.digest


def _equal(old: str | None, new: str | None) -> bool:
    """Whether two settings agree; an earlier version may have stored what is masked now."""
    if old is None or new is None or MASK not in new:
        return old == new
    return re.fullmatch(".*".join(map(re.escape, new.split(MASK))), old, re.DOTALL) is not None


def check_allow(plan: Plan, changed: Mapping[str, object]) -> None:
    """Checks that every entry of `resume.allow` is a setting.

    Raises:
        UserError: one is not.
    """
    known = {*settings(Secrets(plan.cfg).config), *changed}
    for key in plan.cfg.resume.allow:
        if not any(below(name, [key]) for name in known):
            rule = f"resume.allow names {key!r}, and there is no such setting"
            raise UserError(rule, near(key, known).rstrip("."), key="resume.allow", value=key)


def other_data(folder: Path, past: RunHistory, plan: Plan) -> str | None:
    """Describes how the data or its split differs from the earlier process; None where both are equal."""
    assert past.start is not None
    digest = past.start["tags"].get("data.digest")
    if digest != plan.table.digest:
        return f"data.digest {digest}, and now {plan.table.digest}"
    stored = read_rows(folder)
    if stored is None:
        return None  # the process ended before it wrote the file
    same = np.array_equal(stored.parts, parts_of(plan.folds, len(plan.table)))
    return None if same else "its rows were split differently"


def digest(table: Table, config: dict[str, Any]) -> str:
    """Returns the digest of configuration and data that a checkpoint carries; `config` is masked."""
    return digest_of(table, settings(config))


def earlier_digests(past: RunHistory, table: Table) -> set[str]:
    """Returns the digests of all earlier starts of the run."""
    return {digest_of(table, event["params"]) for event in past.starts}


def digest_of(table: Table, texts: Mapping[str, str]) -> str:
    # Whether folds train together is checked by itself: a run's own value is chosen after its start.
    compared = {key: text for key, text in fixed_on_resume(texts).items() if key != FUSE}
    content = json.dumps([table.digest, compared], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:16]
