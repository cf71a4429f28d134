"""Where a result came from: the commit, what was changed since, the packages, the command."""

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


@dataclass(frozen=True)
class Code:
    """The code version of the folder in which the command was typed.

    `commit` is empty outside a git repository; `diff` is what was changed since the commit, with
    the names of files that git does not track.
    """

    commit: str = ""
    branch: str = ""
    diff: str = ""

    @property
    def dirty(self) -> bool:
        return bool(self.diff)


def code(folder: Path | None = None) -> Code:
    """Asks git about `folder` (the current one); a machine without git has no commit."""
    where = folder or Path.cwd()
    commit = _git(where, "rev-parse", "HEAD")
    if not commit:
        return Code()
    untracked = _git(where, "ls-files", "--others", "--exclude-standard")
    diff = _git(where, "diff", "HEAD", "--no-ext-diff")
    if untracked:
        diff += "\n# not tracked by git:\n" + "".join(f"# {name}\n" for name in untracked.splitlines())
    return Code(commit, _git(where, "rev-parse", "--abbrev-ref", "HEAD"), diff)


@cache
def code_at_first(folder: Path) -> Code:
    """`code` as the process first saw it: what its runs came from is what was imported then."""
    return code(folder)


def _git(folder: Path, *words: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, errors="replace", timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@cache  # what a process has imported stays as it is, whatever is installed beside it
def packages() -> Mapping[str, str]:
    """Every installed distribution and its version, sorted by name."""
    found = {d.metadata["Name"]: d.version for d in metadata.distributions() if d.metadata["Name"]}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


@cache
def machine() -> Mapping[str, str]:
    """What the run ran on, in words."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(terse=True),
        "cpus": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
    }


def command(words: list[str]) -> str:
    """The command that repeats this run, quoted for a shell; torchrun's with one machine's processes."""
    beside = os.environ.get("LOCAL_WORLD_SIZE", "1")
    door = "python -m harness" if beside == "1" else f"torchrun --nproc-per-node {beside} -m harness"
    return " ".join([door, *(shlex.quote(word) for word in words)])
