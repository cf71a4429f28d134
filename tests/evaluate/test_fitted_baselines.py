"""harness/evaluate/fitted_baselines.py"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from harness.core.task import Task
from harness.evaluate import fitted_baselines
from harness.evaluate.fitted_baselines import LabelledRows, fitted


def openmp_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


def test_few_rows_take_one_thread_and_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(200, 4)).astype(np.float32)
    rows = LabelledRows(inputs, (inputs[:, 0] + random.normal(size=200) > 0).astype(np.int64))
    seen: list[set[int]] = []
    fit = HistGradientBoostingClassifier.fit

    def watched(self: Any, *given: Any, **named: Any) -> Any:
        seen.append(openmp_threads())
        return fit(self, *given, **named)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", watched)
    found = []
    with threadpool_limits(2, user_api="openmp"):
        for most in (inputs.size, inputs.size - 1):
            monkeypatch.setattr(fitted_baselines, "_MOST_ALONE", most)
            found.append(fitted("boosting", Task("binary", ("a", "b")), rows, rows, 0)(rows))
            assert openmp_threads() == {2}
    assert seen == [{1}, {2}]
    assert torch.equal(*found)
    assert found[0].exp().std() > 0.1
