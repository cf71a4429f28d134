from __future__ import annotations

import pytest

from harness.core.baseline_names import baseline_name, baselines, kinds, split_baseline, with_baseline_names


@pytest.mark.parametrize(
    ("score", "kind", "name"),
    [
        ("accuracy", "majority", "accuracy_baseline_majority"),
        ("test/knn_accuracy", "raw", "test/knn_accuracy_baseline_raw"),
        ("test/accuracy", "boosting", "test/accuracy_baseline_boosting"),
        ("test/rmse", "last_value", "test/rmse_baseline_last_value"),
    ],
)
def test_the_name_of_a_baseline_is_made_and_split(score: str, kind: str, name: str) -> None:
    assert baseline_name(score, kind) == name
    assert split_baseline(name) == (score, kind)


@pytest.mark.parametrize("name", ["test/rmse_mean", "test/accuracy", "_baseline_x", "a_baseline_"])
def test_other_names_are_no_baselines(name: str) -> None:
    assert split_baseline(name) is None


def test_baselines_of_a_score_have_the_order_of_the_table() -> None:
    names = [f"test/accuracy_baseline_{kind}" for kind in ("uniform", "scratch", "majority")]
    others = ["test/accuracy", "test/f1_baseline_raw", "valid/accuracy_baseline_raw"]
    assert list(baselines("test/accuracy", [*names, *others]).items()) == [
        ("majority", "test/accuracy_baseline_majority"),
        ("scratch", "test/accuracy_baseline_scratch"),
        ("uniform", "test/accuracy_baseline_uniform"),
    ]
    found = kinds(["test/accuracy", "test/f1"], [*names, *others])
    assert found == ["majority", "raw", "scratch", "uniform"]


@pytest.mark.parametrize(
    ("stored", "read"),
    [
        (["test/rmse", "test/rmse_mean"], ["test/rmse", "test/rmse_baseline_mean"]),
        (["a/loss_scratch", "a/loss", "a/x_raw"], ["a/loss_baseline_scratch", "a/loss", "a/x_raw"]),
        (["test/f1_mean", "valid/f1"], ["test/f1_mean", "valid/f1"]),
        # A metric of the user's in a run of today.
        *[(own, own) for own in [["a/f1", "a/f1_mean", "a/f1_baseline_raw"]]],
        ([], []),
    ],
)
def test_names_of_an_earlier_version_are_translated(stored: list[str], read: list[str]) -> None:
    assert list(with_baseline_names(dict.fromkeys(stored, 1.0))) == read
