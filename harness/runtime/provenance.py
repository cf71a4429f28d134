"""The origin of a result: git commit and uncommitted changes, installed packages, machine and command."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

_NO_PROGRAMS = ("-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_PLAIN_DIFF = ("--no-ext-diff", "--no-textconv", "--ignore-submodules=dirty")
"""A repository may come from elsewhere, and its own configuration can name programs for git to run: to watch
its files, to show a change, to clean a file, and, in submodules too, to fetch what is missing."""

_FILTER = r"^filter\..*\.(clean|process)$"
_TRUSTED_SCOPES = ("system", "global")


@dataclass(frozen=True)
class Code:
    """The git state of the current folder.

    `commit` is empty outside a git repository. `diff` has the changes since the commit and the names of
    untracked files.
    """

    commit: str = ""
    branch: str = ""
    diff: str = ""

    @property
    def dirty(self) -> bool:
        return bool(self.diff)


def code(folder: Path | None = None) -> Code:
    """Reads the git state of `folder` (default: the current one); without git, all fields are empty."""
    where = folder or Path.cwd()
    commit = _git(where, "rev-parse", "HEAD")
    if not commit:
        return Code()
    untracked = _git(where, "ls-files", "--others", "--exclude-standard")
    diff = _git(where, *_without_filters(where), "diff", "HEAD", *_PLAIN_DIFF)
    if untracked:
        diff += "\n# not tracked by git:\n" + "".join(f"# {name}\n" for name in untracked.splitlines())
    return Code(commit, _git(where, "rev-parse", "--abbrev-ref", "HEAD"), diff)


@cache
def code_at_first(folder: Path) -> Code:
    """Returns `code` as of the first call: later edits do not change what this process has imported."""
    return code(folder)


def _without_filters(folder: Path) -> list[str]:
    """Options that leave out the filters of the repository itself; those of the user's own git are kept."""
    lines = _git(folder, "config", "--show-scope", "--name-only", "--get-regexp", _FILTER).splitlines()
    scopes = (line.partition("\t") for line in lines)
    return [word for scope, _, name in scopes if scope not in _TRUSTED_SCOPES for word in ("-c", f"{name}=")]


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *_NO_PROGRAMS, *words],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            env={**os.environ, "GIT_ALLOW_PROTOCOL": "none", "GIT_NO_LAZY_FETCH": "1"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache  # later installations do not change what this process has imported
def packages() -> Mapping[str, str]:
    """Returns every installed distribution and its version, sorted by name."""
    read = (distribution.metadata for distribution in metadata.distributions())
    versions = {names["Name"]: names["Version"] for names in read if names["Name"]}
    return dict(sorted(versions.items(), key=lambda item: item[0].lower()))


@cache
def machine() -> Mapping[str, str]:
    """Returns the Python version, platform and number of usable CPUs."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cpus": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    }


def command(words: list[str]) -> str:
    """Returns the command that repeats this run, quoted for a shell; torchrun's for this machine's
    processes."""
    processes = os.environ.get("LOCAL_WORLD_SIZE", "1")
    program = "python -m harness" if processes == "1" else f"torchrun --nproc-per-node {processes} -m harness"
    return " ".join([program, *(shlex.quote(word) for word in words)])
