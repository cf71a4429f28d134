import os
import re
import time
from pathlib import Path

import pytest

from harness.core.errors import UserError
from harness.data.extract import source_files

KEY = "data.extract.path"


@pytest.fixture
def tree(tmp_path):
    for name in ("b.csv", "a.csv", "deep/er/c.csv", "deep/d.txt", "_kept.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return tmp_path


def names(paths, root):
    return [str(path.relative_to(root)) for path in paths]


def refuse(words, call, *arguments, **keywords):
    with pytest.raises(UserError, match=words) as found:
        call(*arguments, **keywords)
    assert str(found.value).count(". ") == 0


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_files_come_sorted_and_each_once(tree):
    listed = [str(tree / "b.csv"), str(tree / "*.csv")]
    assert names(source_files.matching(listed, KEY), tree) == ["a.csv", "b.csv"]


def test_two_stars_mean_any_depth(tree):
    assert names(source_files.matching(str(tree / "**/*.csv"), KEY), tree) == [
        "a.csv",
        "b.csv",
        "deep/er/c.csv",
    ]


def test_a_folder_stands_for_its_files_where_that_is_asked_for(tree):
    found = source_files.matching(str(tree / "deep"), KEY, within="**/*.csv")
    assert names(found, tree) == ["deep/er/c.csv"]
    refuse(
        "is a folder, and a file is needed; there are d.txt.", source_files.matching, str(tree / "deep"), KEY
    )


def test_a_tilde_is_the_home_folder(tree, monkeypatch):
    monkeypatch.setenv("HOME", str(tree))
    assert source_files.file("~/a.csv", KEY) == tree / "a.csv"
    assert source_files.matching("~/?.csv", KEY) == [tree / "a.csv", tree / "b.csv"]


def test_a_file_may_have_the_name_of_a_pattern(tree):
    (tree / "a[1].csv").write_text("x")
    assert source_files.matching(str(tree / "a[1].csv"), KEY) == [tree / "a[1].csv"]


def test_a_pattern_without_a_match_is_refused(tree):
    refuse(rf"data.extract.path=.*z\*.csv matches no file; relative patterns start at {Path.cwd()}.",
           source_files.matching, str(tree / "z*.csv"), KEY)  # fmt: skip


def test_an_empty_list_is_refused():
    refuse("data.extract.path is an empty list; name a file or more.", source_files.matching, [], KEY)


def test_a_missing_file_or_folder_is_answered_with_the_near_ones(tree):
    refuse(r"aa.csv does not exist; among the .csv files of its folder, did you mean a.csv or b.csv\?",
           source_files.file, str(tree / "aa.csv"), KEY)  # fmt: skip
    refuse(
        r"among the folders of its folder, did you mean deep\?", source_files.folder, str(tree / "depe"), KEY
    )
    refuse("nor does its folder", source_files.folder, str(tree / "away" / "deep"), KEY)


def test_a_file_is_no_folder(tree):
    path = re.escape(str(tree / "a.csv"))
    refuse(
        f"{KEY}={path} is a file, and a folder is needed; name the",
        source_files.folder,
        str(tree / "a.csv"),
        KEY,
    )


def test_a_fingerprint_stays_while_the_files_do(tree):
    paths = [tree / "a.csv", tree / "b.csv"]
    for path in paths:
        age(path, 10)
    assert source_files.fingerprint(paths) == source_files.fingerprint(paths)
    assert source_files.fingerprint(paths) != source_files.fingerprint(paths[:1])
    assert source_files.fingerprint(paths) != source_files.fingerprint(paths[::-1])


def test_small_files_are_told_by_their_content_whenever_they_changed(tree):
    path = tree / "a.csv"
    before = source_files.fingerprint([path])
    path.chmod(0o600)
    os.utime(path, ns=(0, 0))
    assert source_files.fingerprint([path]) == before
    path.write_text("B.csv")
    os.utime(path, ns=(0, 0))
    assert source_files.fingerprint([path]) != before


def test_a_large_file_that_changed_just_now_is_told_by_its_content(tree, monkeypatch):
    """Two changes within one tick of the clock: same size, same times, same inode."""
    monkeypatch.setattr(source_files, "SMALL", 0)
    path = tree / "a.csv"
    stat = path.stat()
    before = source_files.fingerprint([path])
    path.write_text("B.csv")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size
    assert source_files.fingerprint([path]) != before


def test_a_large_old_file_is_told_by_its_state_and_not_read(tree, monkeypatch):
    monkeypatch.setattr(source_files, "SMALL", 0)
    path = tree / "a.csv"
    later = time.time_ns() + 10 * source_files.RACY_NS
    monkeypatch.setattr(source_files.time, "time_ns", lambda: later)
    before = source_files.fingerprint([path])
    path.chmod(0)
    path.chmod(0o644)  # a change of its inode alone
    assert source_files.fingerprint([path]) != before
    monkeypatch.setattr(Path, "open", None)
    assert len(source_files.fingerprint([path])) == 64
