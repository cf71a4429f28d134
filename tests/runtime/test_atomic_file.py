"""Files and folders appear whole or stay as they were."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from harness.runtime.atomic_file import draft_folder, put_folder, replace_file, replace_folder, write_text


def names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    for text in ("old", "new"):
        write_text(path, text)
        assert path.read_text() == text
    assert names(tmp_path) == {"result.json"}


def test_within_the_block_the_old_file_is_still_there(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with replace_file(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_an_exception_leaves_the_old_file_and_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text("old")
    with suppress(RuntimeError), replace_file(path) as draft:
        draft.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert names(tmp_path) == {"result.json"}


@pytest.mark.parametrize(("lasting", "flushes"), [(True, 1), (False, 0)])
def test_only_a_lasting_file_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lasting: bool, flushes: int
) -> None:
    flushed: list[int] = []
    monkeypatch.setattr("os.fsync", flushed.append)
    write_text(tmp_path / "a", "text", lasting)
    assert len(flushed) == flushes


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with replace_folder(tmp_path / "deep" / "export") as draft:
            (draft / name).touch()
    assert names(tmp_path) == {"deep", "deep/export", "deep/export/b"}


def test_a_draft_that_is_given_up_leaves_nothing(tmp_path: Path) -> None:
    with draft_folder(tmp_path / "deep" / "export") as draft:
        (draft / "file").touch()
    assert names(tmp_path) == set()


def test_a_folder_that_must_stay_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").touch()
    with draft_folder(tmp_path / "kept") as draft, pytest.raises(OSError, match="not empty"):
        put_folder(draft, tmp_path / "kept", replace=False)
    assert names(tmp_path) == {"kept", "kept/file"}
