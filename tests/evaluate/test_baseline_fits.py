"""harness/evaluate/baseline_fits.py"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_info, threadpool_limits

from harness.core.task import Task
from harness.evaluate import baseline_fits
from harness.evaluate.baseline_fits import Fit, LabelledRows, predicted


def openmp_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "openmp"}


def test_few_rows_take_one_thread_and_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    inputs = random.normal(size=(200, 4)).astype(np.float32)
    rows = LabelledRows(inputs, (inputs[:, 0] + random.normal(size=200) > 0).astype(np.int64))
    seen: list[set[int]] = []
    fit_one = HistGradientBoostingClassifier.fit

    def watched(self: Any, *given: Any, **named: Any) -> Any:
        seen.append(openmp_threads())
        return fit_one(self, *given, **named)

    monkeypatch.setattr(HistGradientBoostingClassifier, "fit", watched)
    fit = Fit("boosting", Task("binary", ("a", "b")), rows, rows, {"test": inputs}, 0)
    found = []
    with threadpool_limits(2, user_api="openmp"):
        for most in (inputs.size, inputs.size - 1):
            monkeypatch.setattr(baseline_fits, "_MOST_ALONE", most)
            found.append(predicted(fit)["test"])
            assert openmp_threads() == {2}
    assert seen == [{1}, {2}]
    assert np.array_equal(*found)
    assert np.exp(found[0]).std() > 0.1
