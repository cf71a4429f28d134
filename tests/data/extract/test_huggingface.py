import builtins
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harness.core.errors import UserError

datasets = pytest.importorskip("datasets")


def refuse(make, words, **changes):
    with pytest.raises(UserError, match=words) as found:
        make("huggingface", **changes)()
    assert str(found.value).count(". ") == 0
    assert "\n" not in str(found.value)


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def pets(tmp_path):
    rows = {"x": [1.5, 2.5, 3.5], "label": [1, 0, -1]}
    features = datasets.Features(x=datasets.Value("float32"), label=datasets.ClassLabel(names=["cat", "dog"]))
    found = datasets.Dataset.from_dict(rows, features=features)
    found.save_to_disk(tmp_path / "pets")
    return str(tmp_path / "pets")


def test_a_folder_of_save_to_disk_is_a_table_with_the_names_of_its_classes(make, pets):
    table = make("huggingface", path=pets, target="label")()
    assert table.frame["x"].tolist() == [1.5, 2.5, 3.5]
    assert table.labels.tolist()[:2] == ["dog", "cat"]
    assert table.labelled.tolist() == [True, True, False]
    assert (table.name, table.source, table.features) == ("pets", pets, ("x",))


def test_images_come_as_encoded_files(make, tmp_path):
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    kept = tmp_path / "kept.png"
    Image.fromarray(pixels).save(kept)
    features = datasets.Features(image=datasets.Image())
    rows = {"image": [{"bytes": kept.read_bytes(), "path": None}, {"bytes": None, "path": str(kept)}, None]}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(tmp_path / "pictures")
    table = make("huggingface", path=str(tmp_path / "pictures"), kind="image")()
    cells = table.frame["image"].tolist()
    assert [np.array_equal(np.asarray(Image.open(io.BytesIO(cell))), pixels) for cell in cells[:2]] == [
        True,
        True,
    ]
    assert table.frame["image"].isna().tolist() == [False, False, True]
    assert table.features == ("image",)


def test_a_split_is_chosen_by_name(make, tmp_path):
    parts = {part: datasets.Dataset.from_dict({"x": [i, i]}) for i, part in enumerate(("train", "test"))}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "two")
    path = str(tmp_path / "two")
    assert make("huggingface", path=path, split="test")().frame["x"].tolist() == [1, 1]
    refuse(
        make, "data.extract.split must name a split of .*two, got null; there are test and train.", path=path
    )
    refuse(make, r"got tests; did you mean test\?", path=path, split="tests")


def test_a_split_of_data_without_splits_is_refused(make, pets):
    words = "data.extract.split=test chooses among splits, and .*pets has one without a name; leave it out"
    refuse(make, words, path=pets, split="test")


@pytest.mark.filterwarnings(
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning"
)  # datasets 3.0
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_local_file_is_read(make, tmp_path, name):
    (tmp_path / name).write_text(
        "x,y\n1,2\n3,4\n" if name == "a.csv" else '{"x": 1, "y": 2}\n{"x": 3, "y": 4}\n'
    )
    table = make("huggingface", path=str(tmp_path / name), target="y")()
    assert (table.frame["x"].tolist(), table.labels.tolist(), table.name) == ([1, 3], [2, 4], "a")


def test_a_file_of_another_format_or_that_is_not_there_is_refused(make, tmp_path):
    (tmp_path / "a.xlsx").write_text("x")
    words = (
        "a.xlsx must end in .csv or .json or .jsonl or .parquet or .arrow; choose data/extract by its format."
    )
    refuse(make, words, path=str(tmp_path / "a.xlsx"))
    refuse(make, "data.extract.path=.*b.csv does not exist", path=str(tmp_path / "b.csv"))


def test_an_error_of_the_library_is_one_sentence(make, monkeypatch):
    def load_dataset(path, subset, revision):
        raise ConnectionError(f"Couldn't reach '{path}' on the Hub\nat {revision}.")

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    words = (
        "data.extract.path=some/body cannot be loaded by the datasets library: Couldn't reach 'some/body' on "
        "the Hub at v1; check the name, data.extract.subset and data.extract.revision."
    )
    refuse(make, words, path="some/body", revision="v1")


def test_a_missing_extra_is_named(make, monkeypatch, pets):
    found = builtins.__import__

    def absent(name, *rest):
        if name == "datasets":
            raise ImportError(name)
        return found(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    words = r"needs the datasets library; install it with pip install 'harness\[huggingface\]'."
    refuse(make, words, path=pets)


def test_no_path_is_refused(make):
    refuse(make, "data.extract.path needs a data set; give data.extract.path=FOLDER, or its name on the hub.")


def test_local_files_have_a_fingerprint_and_the_hub_only_at_a_commit(make, pets):
    extractor = make("huggingface", path=pets)
    before = extractor.fingerprint()
    assert before == extractor.fingerprint()
    (Path(pets) / "more.txt").write_text("x")
    assert extractor.fingerprint() != before
    file = make("huggingface", path=f"{pets}/more.txt").fingerprint()
    assert file is not None
    assert file != before
    assert make("huggingface", path="some/body").fingerprint() is None
    assert make("huggingface", path="some/body", revision="main").fingerprint() is None
    commit = "0123456789abcdef0123456789abcdef01234567"
    assert make("huggingface", path="some/body", revision=commit).fingerprint() == f"some/body@{commit}"
