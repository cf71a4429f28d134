from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from harness.runtime.provenance import Code, code, command, machine, packages


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "init.defaultBranch=trunk"]
    done = subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init")
    (tmp_path / "tracked.py").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return tmp_path


def test_a_clean_folder_is_its_commit(repository: Path) -> None:
    found = code(repository)
    assert found == Code(git(repository, "rev-parse", "HEAD"), "trunk", "")
    assert not found.dirty


def test_uncommitted_changes_are_a_diff_with_the_names_of_new_files(repository: Path) -> None:
    (repository / "tracked.py").write_text("two\n")
    (repository / "new.py").write_text("secret")
    found = code(repository)
    assert found.dirty
    assert "-one\n+two\n" in found.diff
    assert found.diff.endswith("\n# not tracked by git:\n# new.py\n")
    assert "secret" not in found.diff


def test_outside_a_repository_or_without_git_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert code(tmp_path) == Code()
    monkeypatch.setenv("PATH", "")
    assert code(Path(__file__).parent) == Code()


def test_the_packages_are_listed_by_name() -> None:
    found = packages()
    assert found["torch"]
    assert list(found) == sorted(found, key=str.lower)


def test_the_machine_is_described_in_words() -> None:
    assert machine().keys() == {"python", "platform", "cpus"}
    assert int(machine()["cpus"]) >= 1


def test_the_command_can_be_pasted_into_a_shell() -> None:
    words = ["+tags.a='b c'", "model.widths=[1,2]", "x=${oc.env:Y}"]
    assert shlex.split(command(words)) == ["python", "-m", "harness", *words]
    assert command(["seed=1"]) == "python -m harness seed=1"


def test_the_command_of_torchrun_is_one_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert command(["seed=1"]) == "torchrun --nproc-per-node 2 -m harness seed=1"
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    assert command(["seed=1"]) == "python -m harness seed=1"
