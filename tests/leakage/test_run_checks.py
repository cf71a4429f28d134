import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core.fold import Fold
from harness.core.table import Table
from harness.leakage.run_checks import check_leakage, check_unconditional

NONE = np.empty(0, dtype=np.int64)
POINT_WISE = {"grouped": False, "timed": False, "split": "kfold"}


def dealt(count, folds, seed=0) -> list[Fold]:
    """Folds of which a sixth of the training rows validates."""
    order = np.random.default_rng(seed).permutation(count)
    found = []
    for number, test in enumerate(np.array_split(order, folds)):
        rest = np.setdiff1d(np.arange(count), test)
        found.append(Fold(number, np.delete(rest, np.s_[::6]), rest[::6], np.sort(test)))
    return found


def bundled(name) -> Table:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(as_frame=True)
    image = {"kind": "image", "shape": (1, 8, 8)} if name == "digits" else {}
    return Table(found.frame, tuple(found.data.columns), target=("target",), name=name, **image)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    rows=st.integers(60, 300),
    features=st.integers(1, 8),
    classes=st.sampled_from([0, 2, 3]),
    folds=st.integers(2, 8),
)
def test_random_rows_in_random_folds_raise_no_finding(seed, rows, features, classes, folds):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(rows, features))).add_prefix("x")
    names = tuple(frame.columns)
    frame["y"] = rng.integers(0, classes, rows) if classes else rng.normal(size=rows)
    found = check_leakage(Table(frame, names, target=("y",)), dealt(rows, folds, seed), **POINT_WISE)
    assert {finding.severity for finding in found} == {"fine"}


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10**6), copied=st.integers(1, 5), folds=st.integers(2, 6))
def test_every_planted_leak_is_found_and_no_other(seed, copied, folds):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(120, 3))
    values[:copied] = values[60 : 60 + copied]
    frame = pd.DataFrame(values, columns=["a", "b", "c"])
    frame["y"] = rng.permutation(120) % 3
    frame["leak"] = frame["y"] * 10 + rng.normal(size=120).round(2) * 0.5
    frame.loc[: copied - 1, ["y", "leak"]] = frame.loc[60 : 59 + copied, ["y", "leak"]].to_numpy()
    table = Table(frame, ("a", "b", "c", "leak"), target=("y",))
    cut = dealt(120, folds, seed)
    # A pair is distinguished by a fold that tests one of the two alone: each of them, where they are apart.
    part = np.empty(120, dtype=int)
    for fold in cut:
        part[fold.test] = fold.number
    expected = 2 * int((part[:copied] != part[60 : 60 + copied]).sum())
    found = {finding.check: finding for finding in check_leakage(table, cut, **POINT_WISE)}
    assert found["duplicates"].severity == ("warning" if expected else "fine")
    assert not expected or found["duplicates"].sentence.startswith(f"{expected} of 120 test rows")
    assert found["determines"].sentence.startswith("feature 'leak' alone predicts 'y' of ")
    assert found["determines"].sentence.endswith("'data.extract.drop=[leak]'.")
    assert {check for check in found if found[check].severity != "fine"} <= {"duplicates", "determines"}


@pytest.mark.parametrize("folds", [1, 5, 100])
@pytest.mark.parametrize("name", ["digits", "breast_cancer", "wine", "diabetes"])
def test_real_data_is_found_fine(name, folds):
    table = bundled(name)
    cut = dealt(len(table), 5)[:1] if folds == 1 else dealt(len(table), folds)
    assert {finding.severity for finding in check_leakage(table, cut, **POINT_WISE)} == {"fine"}


def test_iris_holds_one_flower_twice_which_chance_explains():
    found = check_leakage(bundled("iris"), dealt(150, 150), **POINT_WISE)
    assert {finding.severity for finding in found} == {"fine"}
    assert found[0].sentence.startswith(
        "2 of 150 test rows in 2 of 150 folds have the same features as training rows, as expected by "
        "chance (2)"
    )


def everything(rows=120) -> Table:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(rows, 3)), columns=["a", "b", "c"])
    frame["y"], frame["who"], frame["day"] = rng.integers(0, 2, rows), np.arange(rows) // 4, np.arange(rows)
    return Table(frame, ("a", "b", "c"), target=("y",), group="who", time="day")


def test_all_checks_that_apply_report_in_the_same_order():
    found = check_leakage(everything(), dealt(120, 5), **POINT_WISE)
    checks = ["duplicates", "equals", "determines", "identifiers", "order", "groups", "classes"]
    assert [finding.check for finding in found] == checks
    assert [finding.check for finding in found if finding.severity == "warning"] == ["order", "groups"]


def test_checks_that_no_setting_turns_off_can_run_alone():
    folds = dealt(120, 5)
    promised = check_unconditional(everything(), folds, grouped=True, timed=True, split="mine")
    assert [finding.check for finding in promised] == ["equals", "order", "groups"]
    assert [finding.severity for finding in promised] == ["fine", "error", "error"]
    assert [finding.check for finding in check_unconditional(everything(), folds, **POINT_WISE)] == ["equals"]


def test_pixels_arrays_and_events_are_not_judged_one_by_one():
    frame = pd.DataFrame({"y": [0, 1] * 10, "p": [0.0, 1.0] * 10, "id": range(20)})
    image = Table(frame, ("p",), target=("y",), kind="image", shape=(1, 1, 1))
    array = Table(frame, (), target=("y",), array=frame[["p"]].to_numpy())
    spans = np.stack([np.arange(20), np.arange(20) + 1], axis=1)
    events = Table(frame[["y", "id"]], ("p",), target=("y",), id="id", events=frame, spans=spans)
    for table, severity in ((image, "warning"), (array, "fine"), (events, "warning")):
        found = check_leakage(table, dealt(20, 2), **POINT_WISE)
        assert [finding.check for finding in found] == ["duplicates", "classes"]
        assert found[0].severity == severity  # 0 and 1 repeat by chance where they are a feature


def test_rows_without_a_target_are_checked_for_what_needs_none():
    frame = pd.DataFrame({"a": np.arange(30) + 0.5, "b": np.arange(30) % 7})
    found = check_leakage(Table(frame, ("a", "b")), dealt(30, 3), **POINT_WISE)
    assert [finding.check for finding in found] == ["duplicates", "identifiers"]


def test_a_sentence_is_one_sentence():
    rows = np.arange(40)
    frame = pd.DataFrame(
        {"note": [f"n{row}" for row in rows], "x": rows % 2, "y": rows % 2, "g": rows % 8, "t": rows}
    )
    frame = pd.concat([frame, frame], ignore_index=True)
    table = Table(frame, ("note", "x"), target=("y",), group="g", time="t")
    for strict in (True, False):
        for finding in check_leakage(table, dealt(80, 4), grouped=strict, timed=strict, split="mine"):
            assert finding.sentence.endswith(".")
            assert ". " not in finding.sentence
            assert "\n" not in finding.sentence


@pytest.mark.slow
def test_the_guards_import_no_heavy_library():
    heavy = "{'sklearn', 'scipy', 'matplotlib', 'mlflow'}"
    code = f"import sys, harness.leakage.run_checks; print(*{heavy} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == ""


def test_the_time_of_events_orders_them_within_a_sequence_and_no_sequence_after_another():
    events = pd.DataFrame({"x": np.arange(8.0), "t": [0, 1, 0, 1, 0, 1, 2, 3]})
    frame = pd.DataFrame({"who": ["a", "b", "c"], "t": [1, 1, 3]})
    spans = np.array([[0, 2], [2, 4], [4, 8]])
    table = Table(frame, ("x",), id="who", time="t", kind="sequence", events=events, spans=spans)
    folds = [Fold(0, np.array([2]), np.array([1]), np.array([0]))]

    def checks(timed: bool) -> list[str]:
        return [
            finding.check for finding in check_leakage(table, folds, grouped=False, timed=timed, split="x")
        ]

    assert "order" not in checks(timed=False)
    assert "order" in checks(timed=True)
