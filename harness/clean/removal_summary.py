"""The lines that list what `clean` will remove."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from harness.clean.outputs_entry import Entry
from harness.console.text_format import aligned
from harness.core.name_list import counted

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def lines(entries: list[Entry], kept: Mapping[Path, str], outputs: Path) -> Iterator[str]:
    """Yields a line per entry with its age and size, then what is kept and why, then the total."""
    rows = [
        (entry.kind, str(entry.path.relative_to(outputs)), entry.state, _age(entry.time), _bytes(entry.size))
        for entry in entries
    ]
    yield from (line.rstrip() for line in aligned(rows, (0, 1, 2)))
    for path, why in kept.items():
        yield f"stays  {path.relative_to(outputs)}: {why}"
    if rows:
        yield f"{counted(len(rows), 'folder')}, {_bytes(sum(entry.size for entry in entries))}"


def _age(then: int) -> str:
    """`3 d` since a time in ms."""
    seconds = max(0.0, time.time() - then / 1000)
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def _bytes(size: int) -> str:
    for unit, length in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= length:
            return f"{size / length:.1f} {unit}"
    return f"{size} B"
