import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.table import Table
from harness.leakage import row_hash
from harness.leakage.duplicate_files import same_files
from harness.leakage.rounded_values import significant
from harness.leakage.row_hash import copies


def table(**columns) -> Table:
    return Table(pd.DataFrame(columns), tuple(columns))


@given(st.lists(st.floats(min_value=1e-290, max_value=1e290), min_size=1, max_size=20), st.booleans())
def test_a_number_is_rounded_as_printing_six_digits_rounds_it(values, negative):
    numbers = np.array(values) * (-1 if negative else 1)
    printed = [float(f"{number:.5e}") for number in numbers]
    # A number halfway between two may go either way; all else is the printed one, but for the last bit.
    assert np.allclose(significant(numbers), printed, rtol=1.1e-5, atol=0)
    off = ~np.isclose(significant(numbers), printed, rtol=1e-14, atol=0)
    digits = np.abs(numbers[off]) / 10.0 ** np.floor(np.log10(np.abs(numbers[off]))) * 1e5
    assert np.allclose(digits % 1, 0.5, atol=1e-6)


def test_a_printed_number_is_the_same_after_rounding_as_the_one_it_was_printed_from():
    numbers = np.random.default_rng(0).normal(size=10_000) * 10.0 ** np.arange(-5, 5).repeat(1000)
    printed = np.array([float(f"{number:.6g}") for number in numbers])
    assert np.array_equal(significant(numbers), significant(printed))


def test_rounding_leaves_what_is_no_number_and_zero():
    assert significant(np.array([np.inf, -np.inf, 0.0, -0.0])).tolist() == [np.inf, -np.inf, 0.0, 0.0]
    assert np.isnan(significant(np.array([np.nan]))).all()


def test_each_row_is_traced_to_the_first_with_the_same_features():
    rows = table(a=[1.0, 2.0, 1.0, 1.0, 2.0], b=["x", "y", "x", "z", "y"], c=[None, 1, None, None, 1])
    assert copies(rows).tolist() == [0, 1, 0, 3, 1]


def test_floats_are_compared_to_six_digits_and_whole_numbers_to_the_last():
    assert copies(table(a=[0.1, 0.1 + 1e-9], b=[3.0, 3.0])).tolist() == [0, 0]
    assert copies(table(a=[0.1, 0.10001], b=[3.0, 3.0])).tolist() == [0, 1]
    assert copies(table(a=[10_000_001, 10_000_002], b=[3.0, 3.0])).tolist() == [0, 1]


def test_a_lone_float_is_compared_whole_because_six_digits_meet_by_chance():
    assert copies(table(a=[0.1, 0.1 + 1e-9, 0.1])).tolist() == [0, 1, 0]


def test_missing_values_and_zeros_of_either_sign_are_alike():
    assert copies(table(a=[np.nan, -np.nan, 0.0, -0.0], b=[1.0] * 4)).tolist() == [0, 0, 2, 2]


def test_dates_booleans_categories_and_lists_are_compared():
    rows = table(
        day=pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-01"]),
        flag=[True, True, True],
        kind=pd.Categorical(["a", "b", "a"]),
        tags=[[1], [2], [1]],
    )
    assert copies(rows).tolist() == [0, 1, 0]


def test_columns_that_swap_their_values_are_no_copies():
    assert copies(table(a=[1.0, 2.0], b=[2.0, 1.0])).tolist() == [0, 1]


def test_a_collision_of_hashes_is_no_copy(monkeypatch):
    monkeypatch.setattr(row_hash, "_mixed", lambda words: words * np.uint64(0))
    assert copies(table(a=[1.0, 2.0, 1.0], b=[2.0, 1.0, 2.0])).tolist() == [0, 1, 0]


def test_few_rows_at_a_time_find_the_same(monkeypatch):
    values = np.random.default_rng(0).integers(0, 4, (200, 3)).astype(float)
    rows = table(a=values[:, 0], b=values[:, 1], c=values[:, 2])
    naive = [next(j for j in range(200) if (values[j] == values[i]).all()) for i in range(200)]
    assert copies(rows).tolist() == naive
    monkeypatch.setattr(row_hash, "WORDS_AT_ONCE", 20)
    assert copies(rows).tolist() == naive


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
def test_entries_of_an_array_are_compared_byte_by_byte(dtype):
    array = np.random.default_rng(0).integers(0, 99, (6, 1, 3, 5)).astype(dtype)
    array[4] = array[1]
    array[5] = array[1]
    array[5, 0, 0, 0] += 1
    rows = Table(pd.DataFrame({"y": range(6)}), (), kind="image", array=array)
    assert copies(rows).tolist() == [0, 1, 2, 3, 1, 5]


def test_files_are_compared_by_their_bytes(tmp_path):
    contents = [b"abc", b"abd", b"abc", b"abcd"]
    paths = [tmp_path / f"{number}.png" for number in range(4)]
    for path, data in zip(paths, contents, strict=True):
        path.write_bytes(data)
    frame = pd.DataFrame({"path": [str(path) for path in paths]})
    assert copies(Table(frame, ("path",), kind="image")).tolist() == [0, 1, 0, 3]


def test_a_file_that_cannot_be_read_is_like_no_other(tmp_path):
    assert same_files([tmp_path / "a", tmp_path / "a", tmp_path, tmp_path]).tolist() == [0, 1, 2, 3]


def test_encoded_images_are_compared_by_their_bytes():
    frame = pd.DataFrame({"image": [b"one", b"two", b"one"]})
    assert copies(Table(frame, ("image",), kind="image")).tolist() == [0, 1, 0]


def test_sequences_are_compared_event_by_event_in_order_also_where_spans_overlap():
    events = pd.DataFrame({"x": [1.0, 2, 3, 1, 2, 3, 3, 2, 1, 1, 2], "other": range(11)})
    spans = np.array([[0, 3], [3, 6], [6, 9], [9, 11], [1, 3], [4, 6], [0, 0], [5, 5]])
    rows = Table(pd.DataFrame({"id": range(8)}), ("x",), id="id", kind="sequence", events=events, spans=spans)
    assert copies(rows).tolist() == [0, 0, 2, 3, 4, 4, 6, 6]


def test_sequences_whose_hashes_collide_are_no_copies(monkeypatch):
    monkeypatch.setattr(row_hash, "_mixed", lambda words: words * np.uint64(0))
    events = pd.DataFrame({"x": [1.0, 2, 1, 2, 2, 1], "z": [0.0] * 6})
    spans = np.array([[0, 2], [2, 4], [4, 6]])
    rows = Table(pd.DataFrame({"id": range(3)}), ("x", "z"), kind="sequence", events=events, spans=spans)
    assert copies(rows).tolist() == [0, 0, 2]


def test_a_table_without_features_has_no_copies():
    assert copies(Table(pd.DataFrame({"y": [1, 1]}), ())).tolist() == [0, 1]
