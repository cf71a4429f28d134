from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from harness.bundle import fitted_state


def test_a_state_is_restored_value_for_value(tmp_path: Path) -> None:
    given = {
        "scaler": b"\x00\xff",
        "nested": {"pieces": [b"a", b"", "text"], "none": None, "yes": True},
        "numbers": [1, 0.1, np.float64(2.5), np.int64(3), math.inf, -math.inf],
        "pair": (1, 2),
    }
    fitted_state.save(tmp_path / "s", given)
    expected = {**given, "pair": [1, 2]}
    assert fitted_state.load(tmp_path / "s") == expected


def test_what_is_not_finite_is_strict_json(tmp_path: Path) -> None:
    fitted_state.save(tmp_path, {"mean": math.nan})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    json.loads((tmp_path / "state.json").read_text(), parse_constant=refuse)
    assert math.isnan(fitted_state.load(tmp_path)["mean"])


def test_an_object_is_refused_rather_than_pickled(tmp_path: Path) -> None:
    with pytest.raises(
        TypeError, match="a transform's state holds bytes, numbers, text, lists and dicts, got <c"
    ):
        fitted_state.save(tmp_path, {"scaler": object()})
