"""What every source must keep, for each yaml of the room; a GraphQL server is asked in its own tests."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harness import testing
from harness.config.choice_files import CONF

FRAME = pd.DataFrame(
    {"x": [1.5, 2.5, 3.5, 4.5], "w": ["a", "b", "b", "a"], "g": [1, 1, 2, 10], "y": [0, 1, 1, 0]}
)
REMOTE = ("sql",)


def files(choice: str, folder: Path) -> dict[str, object]:
    """A small source of that kind in `folder`, and what to set so that it is read."""
    roles = {"target": "y", "group": "g"}
    path = folder / f"rows.{choice}"
    match choice:
        case "csv":
            FRAME.to_csv(path, index=False)
            return {"path": str(path), **roles}
        case "parquet":
            FRAME.to_parquet(path)
            return {"path": str(path), **roles}
        case "sql":
            with sqlite3.connect(path) as connection:
                FRAME.to_sql("visits", connection, index=False)
            return {"url": f"sqlite:///{path}", "table": "visits", **roles}
        case "huggingface":
            datasets = pytest.importorskip("datasets")
            datasets.Dataset.from_pandas(FRAME).save_to_disk(path)
            return {"path": str(path), **roles}
        case "numpy":
            np.savez(folder / "rows.npz", inputs=FRAME[["x"]], targets=FRAME["y"], groups=FRAME["g"])
            return {"path": str(folder / "rows.npz")}
        case "image_folder":
            for number, name in enumerate(("cat", "dog")):
                (folder / name).mkdir(parents=True)
                Image.new("RGB", (8, 8), number).save(folder / name / "1.png")
            return {"path": str(folder)}
    return {}


class TestExtractors(testing.TestExtractors):
    conf = CONF
    left_out = frozenset({"graphql", "cifar10"})

    def changes(self, choice, folder):
        return files(choice, folder)

    def test_what_is_read_from_files_has_a_fingerprint(self, choice, tmp_path):
        found = self.make(choice, **files(choice, tmp_path)).fingerprint()
        assert isinstance(found, str) or choice in REMOTE


@pytest.mark.parametrize("choice", ["csv", "parquet", "sql", "huggingface"])
def test_the_same_rows_are_the_same_from_every_source(make, choice, tmp_path):
    table = make(choice, **files(choice, tmp_path))()
    assert table.features == ("x", "w")
    pd.testing.assert_frame_equal(table.frame, FRAME, check_dtype=True)
    assert table.task.classes == ("0", "1")
    assert table.groups.tolist() == [1, 1, 2, 10]


@pytest.mark.parametrize("choice", ["csv", "parquet", "sql", "huggingface"])
def test_every_source_looks_at_its_rows(make, choice, tmp_path):
    changes = files(choice, tmp_path) | {"group": None, "id": "g"}
    with pytest.raises(Exception, match=r"an id names one row, and column 'g' of .* holds 1 2 times"):
        make(choice, **changes)()
