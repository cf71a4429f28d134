"""The folder of a new run, sweep or export: a folder with other files stays as it was."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from harness.core.errors import UserError
from harness.runs.new_folder import FolderTaken, check_empty, check_run_folder, empty_removed

QUICK = ("data/extract=iris", "trainer.epochs=1", "tracking=none")


def _files(folder: Path) -> dict[str, str]:
    return {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture
def mine(here: Path) -> Path:
    """A folder of the user's, with a file of the same name as one of ours."""
    folder = here / "mine"
    (folder / ".hydra").mkdir(parents=True)
    (folder / "config.yaml").write_text("precious: 1\n")
    (folder / ".hydra" / "config.yaml").write_text("precious: 2\n")
    return folder


@pytest.mark.parametrize(
    "words",
    [
        (*QUICK, "hydra.run.dir=mine"),
        (*QUICK, "hydra.run.dir=mine", "resume=auto"),
        (*QUICK, "hydra.run.dir=mine", "hydra.output_subdir=.hydra"),
        (*QUICK, "hydra.run.dir=mine", "hydra.mode=RUN"),
        ("-m", *QUICK, "seed=1,2", "hydra.sweep.dir=mine"),
        ("check", "-m", *QUICK, "seed=1,2", "hydra.sweep.dir=mine"),
    ],
    ids=" ".join,
)
def test_a_folder_with_files_of_the_user_is_refused_and_unchanged(
    words: tuple[str, ...], mine: Path, run_cli: Any
) -> None:
    before = _files(mine)
    answer = run_cli(*words)
    assert answer.status == 2, answer
    assert "needs a folder of its own" in answer.err
    assert "mine contains .hydra and 1 more; choose another" in answer.err
    assert answer.err.count("\n") == 1
    assert _files(mine) == before
    assert sorted(os.listdir()) == ["mine"]


def test_from_python_too(mine: Path) -> None:
    from harness import run

    with pytest.raises(FolderTaken):
        run(*QUICK, folder=mine)
    assert (mine / "config.yaml").read_text() == "precious: 1\n"


@pytest.mark.parametrize("name", ["model.safetensors", "weights.bin"])
def test_an_export_replaces_only_an_earlier_export(
    name: str, here: Path, finished: Callable[..., Path], run_cli: Any
) -> None:
    run = finished("data/extract=breast_cancer")
    (here / "out").mkdir()
    (here / "out" / name).write_text("precious")
    answer = run_cli("export", str(run), "--format", "safetensors", "--out", "out")
    assert answer.status == 2
    assert f"an export needs a folder of its own, and out contains {name}; name another folder" in answer.err
    assert _files(here / "out") == {name: "precious"}


def test_files_that_a_folder_may_already_have(here: Path) -> None:
    check_run_folder(here / "missing")
    check_run_folder(here)
    (here / ".hydra").mkdir()
    check_run_folder(here, besides={".hydra"})
    check_empty(here, "a sweep", "", "", besides={".hydra"})
    (here / "journal.jsonl").touch()
    check_run_folder(here, resumes=True)
    with pytest.raises(FolderTaken, match="holds one already"):
        check_run_folder(here)


@pytest.mark.parametrize("refused", [True, False])
def test_a_refused_run_leaves_none_of_the_folders_that_were_made_for_it(here: Path, refused: bool) -> None:
    (here / "kept").mkdir()
    folder = here / "kept/a/b/c"
    with suppress(ValueError), empty_removed(folder):
        folder.mkdir(parents=True)
        if refused:
            raise ValueError
        (folder / "journal.jsonl").touch()
    assert (here / "kept").exists()
    assert (here / "kept/a").exists() is not refused


@pytest.mark.parametrize("place", ["/", "home", "home/..", "link", "file"])
def test_never_the_root_nor_the_home_folder(place: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = here / "home"
    home.mkdir()
    (here / "link").symlink_to("home")
    (here / "file").touch()
    monkeypatch.setenv("HOME", str(home))
    with pytest.raises(UserError) as caught:
        check_run_folder(Path(place))
    assert (caught.value.key, caught.value.value) == ("hydra.run.dir", place)
