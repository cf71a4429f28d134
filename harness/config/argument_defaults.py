"""The arguments that a run did not have yet: an older run is compared with a newer one by their defaults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.errors import UserError
from harness.core.fuse_setting import FUSE, OFF

_BEFORE = {FUSE: OFF, "production.calibrate": "none", "split.sealed": "False", "split.ensemble": "None"}
"""Settings that are no part's argument -> the value that leaves everything as it was before they existed."""


def with_defaults(runs: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    """The settings of runs, as text by dotted key, each with the arguments that others have and it lacks.

    Such an argument of one of harness's own parts has the value of its default: a version that adds an
    argument gives it the default that leaves everything as it was. So have the settings of `_BEFORE`. What
    has no default stays absent.
    """
    keys = dict.fromkeys(key for texts in runs for key in texts)
    absent = [[key for key in keys if key not in texts] for texts in runs]
    return [{**(_defaults(*pair) if pair[1] else {}), **pair[0]} for pair in zip(runs, absent, strict=True)]


def _defaults(texts: Mapping[str, str], keys: Sequence[str]) -> dict[str, str]:
    from harness.config.instantiate import parameters_of, target  # hydra, which equal settings do not need

    defaults = {}
    for key in keys:
        if key in _BEFORE:
            defaults[key] = _BEFORE[key]
        place, _, name = key.rpartition(".")
        maker = texts.get(f"{place}._target_", "")
        if not maker.startswith("harness."):  # code of others is not imported for a comparison
            continue
        try:
            parameters = parameters_of(target({"_target_": maker}, place)) or {}
        except UserError:  # an earlier version had it
            continue
        parameter = parameters.get(name)
        if parameter is not None and parameter.default is not parameter.empty:
            defaults[key] = str(parameter.default)
    return defaults
