"""benchmarks/sweep_memory.py"""

from __future__ import annotations

import numpy as np
import optuna
import pytest

from benchmarks import sweep_memory
from benchmarks.sweep_memory import random_best, related_sets, remembered, sweep, unrelated_set


@pytest.fixture(autouse=True)
def quiet() -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_sweep_that_knows_the_set_is_good_at_once() -> None:
    objective = related_sets(0)[0]
    known = sweep(objective, 1, 12)
    target = max(known[1]) - 3 * objective.scale * objective.noise
    points, scores = sweep(objective, 2, 9, [remembered(*known, "observations", 1)], target)
    assert (len(points), points[0]) == (1, known[0][int(np.argmax(known[1]))])
    assert scores[0] >= target


def test_related_sets_have_near_optima_and_other_units() -> None:
    sets = related_sets(3)
    optima = np.array([each.optimum for each in sets])
    assert optima.std(0).max() < 0.15
    assert len({each.scale for each in sets}) == 8
    assert not np.allclose(unrelated_set(3).optimum, optima.mean(0), atol=0.2)
    assert random_best(sets[0], 0) < sets[0].level


def test_the_table_is_stored(tmp_path, monkeypatch, capsys) -> None:
    pairs = {"a related set": np.array([[10, 5], [12, 7]])}
    monkeypatch.setattr(sweep_memory, "compare", lambda seeds: pairs)
    assert sweep_memory.main(["--seeds", "1"], tmp_path / "page.md") == 0
    assert "| a related set | 2 | 11.0 | 6.0 | -5.0 ± 0.0 | 0.55 |" in (tmp_path / "page.md").read_text()
