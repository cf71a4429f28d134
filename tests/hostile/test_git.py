"""A repository from elsewhere: its configuration names programs, and git would run them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from harness.runtime.provenance import code

ATTACKS = {
    "a watcher of files": "core.fsmonitor",
    "a program that shows changes": "diff.external",
    "a driver of one kind of file": "diff.evil.command",
    "a converter to text": "diff.evil.textconv",
    "a filter": "filter.evil.clean",
    "a filter that stays": "filter.evil.process",
}


def git(folder: Path, *words: str) -> str:
    own = ["-c", "user.name=me", "-c", "user.email=me@here"]
    return subprocess.run(
        ["git", *own, *words], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_repository_runs_no_program(attack: str, tmp_path: Path) -> None:
    repository, marker = tmp_path / "theirs", tmp_path / "ATTACKED"
    repository.mkdir()
    git(repository, "init", "-q")
    (repository / "a.txt").write_text("one\n")
    (repository / ".gitattributes").write_text("a.txt diff=evil filter=evil\n")
    git(repository, "add", ".")
    git(repository, "commit", "-qm", "first")
    git(repository, "config", ATTACKS[attack], f"touch '{marker}'; false")
    (repository / "a.txt").write_text("two\n")
    found = code(repository)
    assert not marker.exists()
    assert len(found.commit) == 40
    assert "-one\n+two" in found.diff
    subprocess.run(["git", "diff", "HEAD"], cwd=repository, capture_output=True, check=False)
    assert marker.exists(), "git itself must run the program, or this attack is none"
