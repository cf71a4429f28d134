"""What every source must keep, for each yaml of the room; a GraphQL server is asked in its own tests."""

import sqlite3
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from omegaconf import OmegaConf
from PIL import Image

CONF = Path(__file__).parents[3] / "conf" / "data" / "extract"
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


def sources(without: tuple[str, ...]) -> list[str]:
    return sorted({path.stem for path in CONF.glob("*.yaml")} - {"graphql", "cifar10", *without})


@pytest.mark.parametrize("choice", sources(without=()))
def test_a_source_gives_a_table_of_the_kind_that_its_yaml_names(make, choice, tmp_path):
    changes = files(choice, tmp_path)
    table = make(choice, **changes)()
    assert table.kind == OmegaConf.load(CONF / f"{choice}.yaml").kind
    assert table.target
    assert not set(table.features) & {table.group, table.id, *table.target}
    assert bool(table.features) == (table.array is None)
    assert list(table.frame.index) == list(range(len(table)))
    assert table.digest == make(choice, **changes)().digest


@pytest.mark.parametrize("choice", ["csv", "parquet", "sql", "huggingface"])
def test_the_same_rows_are_the_same_from_every_source(make, choice, tmp_path):
    table = make(choice, **files(choice, tmp_path))()
    assert table.features == ("x", "w")
    pd.testing.assert_frame_equal(table.frame, FRAME, check_dtype=True)
    assert table.task.classes == ("0", "1")
    assert table.groups.tolist() == [1, 1, 2, 10]


@pytest.mark.parametrize("choice", sources(without=REMOTE))
def test_a_local_source_has_a_fingerprint_that_stays(make, choice, tmp_path):
    changes = files(choice, tmp_path)
    found = make(choice, **changes).fingerprint()
    assert isinstance(found, str)
    assert found == make(choice, **changes).fingerprint()


@pytest.mark.parametrize("choice", ["csv", "parquet", "sql", "huggingface"])
def test_every_source_looks_at_its_rows(make, choice, tmp_path):
    changes = files(choice, tmp_path) | {"group": None, "id": "g"}
    with pytest.raises(Exception, match=r"an id names one row, and column 'g' of .* holds 1 2 times"):
        make(choice, **changes)()
