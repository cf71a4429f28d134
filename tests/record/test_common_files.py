"""Equal files of the trials of one command are one file; none of them is changed in place."""

from __future__ import annotations

from pathlib import Path

from harness.data.cache.command_scope import command
from harness.record.common_files import write_common


def _inodes(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def test_equal_files_are_links_and_a_replaced_one_leaves_the_others(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).mkdir()
    with command(many=True):
        for number in range(3):
            write_common(tmp_path / str(number) / "a.json", b"one")
        write_common(tmp_path / "3" / "a.json", b"other")
        inodes = _inodes(tmp_path)
        assert inodes["0/a.json"] == inodes["1/a.json"] == inodes["2/a.json"] != inodes["3/a.json"]
        write_common(tmp_path / "1" / "a.json", b"new")
        (tmp_path / "0" / "a.json").unlink()
        write_common(tmp_path / "0" / "a.json", b"one")
    contents = [(tmp_path / str(number) / "a.json").read_bytes() for number in range(4)]
    assert contents == [b"one", b"new", b"one", b"other"]


def test_outside_of_a_command_each_file_is_its_own(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_common(tmp_path / name / "c.json", b"one")
    assert len(set(_inodes(tmp_path).values())) == 2
