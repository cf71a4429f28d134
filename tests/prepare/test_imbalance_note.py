"""harness/prepare/imbalance_note.py"""

from __future__ import annotations

import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.core.table import Table
from harness.prepare.imbalance_note import imbalance_note


def noted(counts: dict[object, int], monitor: str = "valid/accuracy", **settings: object) -> str:
    targets = [name for name, count in counts.items() for _ in range(count)]
    table = Table(pd.DataFrame({"a": 0.5, "y": targets}), ("a",), ("y",))
    trainer = {"monitor": monitor, "class_weights": settings.get("class_weights")}
    load = {"sampler": settings.get("sampler")}
    return imbalance_note(OmegaConf.create({"trainer": trainer, "data": {"load": load}}), table)


def test_a_frequent_class_is_named_with_the_settings_that_help() -> None:
    note = noted({0: 90, 1: 10})
    assert "90 of 100 rows are '0', 10 of 100 rows are '1'" in note
    assert "trainer.monitor=valid/auroc" in note
    assert "trainer.class_weights=balanced" in note


def test_a_rare_one_of_many() -> None:
    assert "2 of 102 rows are 'c'" in noted({"a": 50, "b": 50, "c": 2})
    assert "trainer.monitor=valid/f1" in noted({"a": 50, "b": 50, "c": 2})


@pytest.mark.parametrize("counts", [{"a": 79, "b": 21}, {"a": 50, "b": 50, "c": 4}, {1.5: 90, 2.5: 10}])
def test_balanced_classes_and_numbers_are_not(counts: dict[object, int]) -> None:
    assert not noted(counts)


@pytest.mark.parametrize(
    "settings",
    [{"monitor": "valid/log_loss"}, {"class_weights": "balanced"}, {"sampler": {"_target_": "x"}}],
)
def test_who_has_chosen_is_not_told(settings: dict[str, object]) -> None:
    assert not noted({0: 90, 1: 10}, **settings)  # type: ignore[arg-type]
