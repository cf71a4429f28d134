"""What is read back equals what was written, in value, type and digest."""

import os

import numpy as np
import pandas as pd
import pytest
import torch

from harness.core.arrays import Arrays
from harness.core.table import Table
from harness.core.task import Task
from harness.data.cache.table_files import read_arrays, read_table, write_arrays, write_table


def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "number": [1.5, np.nan, -0.0, 4.0],
            "small": np.array([1, 2, 3, np.nan], dtype=np.float32),
            "whole": [1, 2, 3, 4],
            "byte": np.array([1, 2, 3, 255], dtype=np.uint8),
            "gaps": pd.array([1, None, 3, 4], dtype="Int64"),
            "flag": [True, False, True, True],
            "text": ["a", "é", None, ""],
            "kind": pd.Categorical(["x", "y", "x", None]),
            "when": pd.to_datetime(["2020-01-01", None, "2021-06-01 12:30", "1999-12-31"], format="ISO8601"),
            "raw": [b"\x00\x01", b"", None, b"abc"],
        }
    )


def test_every_type_of_column_survives(tmp_path):
    table = Table(frame(), ("number", "whole"), target=("text",), group="kind", id="byte", time="when")
    digest = table.digest
    write_table(table, tmp_path)
    found = read_table(tmp_path)
    pd.testing.assert_frame_equal(found.frame, table.frame)
    assert found.digest == digest
    del vars(found)["digest"]
    assert found.digest == digest  # computed anew
    for name in ("features", "target", "group", "id", "time", "kind", "shape", "name", "source", "aim"):
        assert getattr(found, name) == getattr(table, name)


def test_an_array_beside_a_frame_without_columns_survives_and_is_mapped(tmp_path):
    array = np.arange(4 * 3 * 2 * 2, dtype=np.uint8).reshape(4, 3, 2, 2)
    table = Table(pd.DataFrame(index=range(4)), (), kind="image", array=array.transpose(0, 1, 3, 2))
    write_table(table, tmp_path)
    found = read_table(tmp_path)
    assert isinstance(found.array, np.memmap)
    np.testing.assert_array_equal(found.array, table.array)
    assert len(found) == 4
    assert found.digest == table.digest


def test_the_column_whose_files_were_decoded_survives(tmp_path):
    array = np.zeros((2, 1, 2, 2), np.uint8)
    table = Table(pd.DataFrame({"scan": ["a.png", "b.png"]}), (), kind="image", array=array, files="scan")
    write_table(table, tmp_path)
    assert read_table(tmp_path).files == "scan"


def test_a_sequence_survives(tmp_path):
    events = pd.DataFrame({"x": [1.0, 2.0, 3.0]})
    spans = np.array([[0, 2], [2, 3]])
    table = Table(
        pd.DataFrame({"who": ["a", "b"]}), ("x",), id="who", kind="sequence", events=events, spans=spans
    )
    write_table(table, tmp_path)
    found = read_table(tmp_path)
    pd.testing.assert_frame_equal(found.events, events)
    np.testing.assert_array_equal(found.spans, spans)
    assert found.digest == table.digest


def test_a_column_of_several_types_is_refused_by_arrow(tmp_path):
    table = Table(pd.DataFrame({"x": [1, "a", (2, 3)]}, dtype=object), ("x",))
    with pytest.raises((TypeError, ValueError)):
        write_table(table, tmp_path)


@pytest.mark.parametrize("targets", [torch.tensor([0, 1, -1]), torch.tensor([0.5, float("nan"), 2.0]), None])
def test_arrays_survive_and_can_be_written_to_without_touching_the_file(tmp_path, targets):
    task = Task("none") if targets is None else Task("binary", ("a", "b"))
    write_arrays(Arrays(torch.arange(6.0).reshape(3, 2), targets, task), tmp_path)
    found = read_arrays(tmp_path, task)
    assert found.inputs.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert found.task == task
    if targets is None:
        assert found.targets is None
    else:
        torch.testing.assert_close(found.targets, targets, equal_nan=True, rtol=0, atol=0)
    found.inputs[0, 0] = 9
    assert read_arrays(tmp_path, task).inputs[0, 0] == 0


@pytest.mark.parametrize("codes", [(), (7, 3)])
def test_how_many_codes_a_column_of_categories_has_survives(tmp_path, codes):
    write_arrays(Arrays(torch.zeros(3, 2), None, Task("none"), codes=codes), tmp_path)
    assert read_arrays(tmp_path, Task("none")).codes == codes


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is always full")
def test_a_full_disk_is_an_error_and_not_the_end_of_the_process(tmp_path):
    (tmp_path / "inputs.npy").symlink_to("/dev/full")
    with pytest.raises(OSError, match="space"):
        write_arrays(Arrays(torch.zeros(9000, 3), None, Task("none")), tmp_path)


@pytest.mark.parametrize(
    "inputs", [torch.zeros(0, 3), torch.arange(20000.0).reshape(10000, 2).T.contiguous().T]
)
def test_arrays_without_rows_or_in_another_order_survive(tmp_path, inputs):
    write_arrays(Arrays(inputs, None, Task("none")), tmp_path)
    assert torch.equal(torch.from_numpy(np.load(tmp_path / "inputs.npy")), inputs)
