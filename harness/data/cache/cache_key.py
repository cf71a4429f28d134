"""Keys: a digest of everything that what is kept was made from."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.config.nodes import packages

_PACKAGE = Path(__file__).resolve().parents[2]
_OURS = ("core", "config", "data", "leakage", "prepare", "runtime")
_PROCESS = secrets.token_bytes(16)
_LIBRARIES = ("numpy", "pandas", "pyarrow", "pillow", "scikit-learn", "torch")


def key(purpose: str, node: Any, *facts: str | None) -> str:
    """32 hexadecimal digits that change with the configuration, the facts, or the code of the parts.

    Args:
        purpose: keeps the keys of different kinds apart.
        node: the plain configuration of a part; every `_target_` in it contributes its code.
        facts: such as the fingerprint of the files that are read.
    """
    content = [purpose, node, facts, code(frozenset(packages(node)))]
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:32]


@cache
def code(foreign: frozenset[str]) -> str:
    """A digest of the code that makes tables and arrays: ours, the libraries', and `foreign` packages'.

    A part of the user's own counts with its whole package or, where it is a single file, with the
    Python files beside it. Code that was loaded does not change while a process runs.
    """
    digest = hashlib.sha256(sys.version.encode())
    for name in _LIBRARIES:
        digest.update(f"{name} {_version(name)}".encode())
    for file in sorted(file for room in _OURS for file in (_PACKAGE / room).rglob("*.py")):
        digest.update(file.read_bytes())
    for name in sorted(foreign - {"harness"}):
        digest.update(_foreign(name))
    return digest.hexdigest()


def _foreign(name: str) -> bytes:
    """Identifies the version of a module or package that is not ours: its release, or else its files."""
    try:
        spec = find_spec(name)
    except ValueError:  # made in a notebook: its code cannot be known to be the same in another process
        return _PROCESS
    if spec is None or spec.origin is None or not Path(spec.origin).is_file():
        return name.encode()  # built in, or missing: building the part reports that
    origin = Path(spec.origin)
    if {"site-packages", "dist-packages"} & set(origin.parts):
        return f"{name} {_version(name)} {origin.stat().st_mtime_ns}".encode()
    package = origin.name == "__init__.py"
    files = origin.parent.rglob("*.py") if package else origin.parent.glob("*.py")
    return b"".join(file.read_bytes() for file in sorted(files))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
