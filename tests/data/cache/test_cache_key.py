"""A key changes with whatever could change the rows."""

import subprocess
import sys

import pytest

from harness.data.cache import cache_key as keys
from harness.data.cache.cache_key import key

NODE = {"_target_": "harness.data.extract.csv.Csv", "path": "a.csv", "drop": ["x"]}


def test_the_same_node_and_facts_have_the_same_key():
    assert key("extract", NODE, "file") == key("extract", dict(reversed(NODE.items())), "file")
    assert len(key("extract", NODE)) == 32


@pytest.mark.parametrize(
    "other",
    [
        ("fit", NODE, "file"),
        ("extract", {**NODE, "path": "b.csv"}, "file"),
        ("extract", {**NODE, "drop": []}, "file"),
        ("extract", NODE, "another"),
        ("extract", NODE, "file", None),
    ],
)
def test_purpose_configuration_and_facts_change_it(other):
    assert key(*other) != key("extract", NODE, "file")


def test_a_secret_in_the_configuration_cannot_be_read_off_the_key():
    assert "s3cret" not in key("extract", {"url": "postgresql://me:s3cret@host/db"})


PROGRAM = "from harness.data.cache.cache_key import key; print(key('extract', {'_target_': 'TARGET'}))"


def found(folder, target: str) -> str:
    program = PROGRAM.replace("TARGET", target)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout


@pytest.mark.slow
def test_the_code_of_a_part_of_the_users_own_changes_it_with_all_its_package(tmp_path):
    package = tmp_path / "mine"
    (package / "deep").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "extract.py").write_text("class Mine: pass\n")
    (package / "deep" / "parse.py").write_text("RATE = 1\n")
    before = found(tmp_path, "mine.extract.Mine")
    assert found(tmp_path, "mine.extract.Mine") == before
    (package / "deep" / "parse.py").write_text("RATE = 2\n")
    assert found(tmp_path, "mine.extract.Mine") != before


@pytest.mark.slow
def test_a_single_file_counts_with_the_python_files_beside_it(tmp_path):
    (tmp_path / "mine.py").write_text("import parse\n")
    (tmp_path / "parse.py").write_text("RATE = 1\n")
    before = found(tmp_path, "mine.Mine")
    (tmp_path / "parse.py").write_text("RATE = 2\n")
    assert found(tmp_path, "mine.Mine") != before


def test_a_changed_transform_of_ours_changes_it(tmp_path, monkeypatch):
    for name in ("table.py", "data/transform/tabular.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one\n")
    monkeypatch.setattr(keys, "_PACKAGE", tmp_path)
    before = keys.code.__wrapped__(frozenset())
    (tmp_path / "data/transform/tabular.py").write_text("two\n")
    assert keys.code.__wrapped__(frozenset()) != before
