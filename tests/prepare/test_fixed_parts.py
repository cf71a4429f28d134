"""A column that divides the rows in advance is reported with the setting that uses it."""

import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.core.table import Table
from harness.prepare.fixed_parts import fixed_parts_note

IGNORED = "column 'part' divides the rows into test, train, and this split ignores it; to use it, set "
SET = "split=predefined"


@pytest.mark.parametrize(
    ("values", "features", "column", "expected"),
    [
        (["train", "test", "train"], (), None, IGNORED + SET),
        (["train", None, "test"], (), None, IGNORED + SET),
        (["train", "test", "train"], ("part",), None, f"{IGNORED}{SET} 'data.extract.keep=[part]'"),
        (["Train", "dev", "val"], (), None, "into Train, dev, val, and this split ignores it"),
        (["train", "test", "train"], (), "other", ""),
        (["train", "test", "bus"], (), None, ""),
        (["valid", "test", "test"], (), None, ""),
        (["train", "train", "train"], (), None, ""),
        ([0, 1, 1], (), None, ""),
        ([["train"], ["test"], ["test"]], (), None, ""),
    ],
)
def test_a_column_of_parts_is_reported(values, features, column, expected):
    table = Table(pd.DataFrame({"part": values, "x": range(3)}), features)
    note = fixed_parts_note(OmegaConf.create({"split": {"column": column}}), table)
    assert (expected in note) if expected else note == ""


def test_of_several_columns_the_setting_names_one():
    frame = pd.DataFrame({"part": ["train", "test"], "stage": ["test", "train"], "x": [1, 2]})
    note = fixed_parts_note(OmegaConf.create({"split": {}}), Table(frame, ("x",)))
    assert note.endswith("set split=predefined split.column=part")


@pytest.mark.parametrize("valid", ["valid", "Val"])
def test_folders_of_parts_are_reported_and_used_by_the_setting(valid, run_cli, here):
    from PIL import Image

    for number in range(24):
        part = ("train", "train", "test", valid)[number // 2 % 4]
        path = here / "photos" / part / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4 + number % 2), 100 * (number % 2) + number).save(path)
    command = ["check", "data/extract=image_folder", "data.extract.path=photos", "model.widths=[4]"]
    first, second = run_cli(*command), run_cli(*command, "split=predefined")
    ignored = IGNORED.replace("test, train", "test, train, valid")
    assert f"! {ignored}{SET}\n" in first.out
    assert "! the images differ (height 4 to 5) and are brought to one shape by" in first.out
    assert "this split ignores it" not in second.out
    assert "auto: split.column=part\n" in second.out
    assert "the first of 12 train, 6 valid, 6 test" in second.out
