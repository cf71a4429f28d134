"""The version of a run's arithmetic: a stored run is read, resumed and run again with its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.core.arrays import Arrays

KEY = "harness.arithmetic"
"""1: numbers to predict are float32. 2: they are float64."""

EARLIEST = 1


def in_arithmetic(arrays: Arrays, config: Mapping[str, Any]) -> Arrays:
    """The arrays with targets of the precision of a configuration's version.

    Args:
        config: of the run; one that does not name a version has the earliest.
    """
    place, _, name = KEY.partition(".")
    version = (config.get(place) or {}).get(name, EARLIEST)
    if version > EARLIEST or arrays.targets is None or arrays.task.kind != "regression":
        return arrays
    return replace(arrays, targets=arrays.targets.float())
