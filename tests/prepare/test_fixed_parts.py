"""A column that divides the rows in advance is reported with the setting that uses it."""

import pandas as pd
import pytest
from omegaconf import OmegaConf

from harness.core.table import Table
from harness.prepare.fixed_parts import fixed_parts_note

IGNORED = "column 'part' divides the rows into test, train, and this split ignores it; to use it, set "
SET = "split=predefined split.column=part"


@pytest.mark.parametrize(
    ("values", "features", "column", "expected"),
    [
        (["train", "test", "train"], (), None, IGNORED + SET),
        (["train", None, "test"], (), None, IGNORED + SET),
        (["train", "test", "train"], ("part",), None, f"{IGNORED}{SET} 'data.extract.keep=[part]'"),
        (["Train", "dev", "val"], (), None, "'split.words.train=[Train]' 'split.words.valid=[dev,val]'"),
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


def test_folders_of_parts_are_reported_and_used_by_the_setting(run_cli, here):
    from PIL import Image

    for number in range(24):
        path = here / "photos" / ("train", "test")[number % 3 == 0] / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4 + number % 2), 100 * (number % 2) + number).save(path)
    command = ["check", "data/extract=image_folder", "data.extract.path=photos", "model.widths=[4]"]
    first, second = (
        run_cli(*command),
        run_cli(*command, "split=predefined", "split.column=part", "split.valid=.2"),
    )
    assert f"! {IGNORED}{SET}\n" in first.out
    assert "! the images differ (height 4 to 5) and are brought to one shape by" in first.out
    assert IGNORED not in second.out
    assert "the first of 13 train, 3 valid, 8 test" in second.out
