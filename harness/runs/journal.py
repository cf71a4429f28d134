"""The journal of a run: its events, appended to a file in its folder, one per line.

The run's folder is the primary record. Events are written here first; another process reads them and sends
them to MLflow, so that training waits only for one `write`.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import math
import os
import socket
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

from typing_extensions import TypedDict

from harness.runtime.stored_file import DamagedFile, check_shape, reading

JOURNAL = "journal.jsonl"

Event = dict[str, Any]
End = Literal["finished", "pruned", "failed", "interrupted"]


class _Event(TypedDict):
    event: str
    time: int
    run: str


class _Writer(TypedDict):
    host: str
    user: str
    pid: int
    born: int | None


class _Start(_Event):
    name: str
    parent: str | None
    params: dict[str, str]
    tags: dict[str, str]
    inputs: list[dict[str, Any]]
    writer: _Writer


class _Metrics(_Event):
    step: int
    values: dict[str, float | Literal["NaN", "Infinity", "-Infinity"]]


class _Tags(_Event):
    tags: dict[str, str]


class _Artifact(_Event):
    path: str
    under: str


class _Model(_Event):
    path: str


class _End(_Event):
    status: End
    error: str | None


_SHAPES = {
    "start": _Start,
    "metrics": _Metrics,
    "system": _Metrics,
    "tags": _Tags,
    "artifact": _Artifact,
    "model": _Model,
    "end": _End,
}
"""The keys of each kind of event."""


class Journal:
    """Appends events to `<folder>/journal.jsonl`: strict JSON, one line and one write per event.

    `run` is the run that an event belongs to: "" is the parent or the only run, "fold-3" a child.
    Texts and parameters must not contain secrets. A run that is resumed in the same folder appends another
    `start` to the same journal.

    Raises:
        OSError: the folder is missing or the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        path = Path(folder) / JOURNAL
        if path.exists() and not path.is_file():
            raise DamagedFile(path, "it is not a file")
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._torn = _ends_within_a_line(path)
        self._lock = threading.Lock()

    def claim(self) -> bool:
        """Locks the journal for this process; returns False if another process has the lock.

        The system releases the lock when the process ends, whatever the reason. A forked child, such as a
        data-loading worker, closes its copy at once, so that it cannot keep the lock after its parent's end.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: only `alive` shows whether a writer runs
        _close_in_children()
        _claimed.add(self)
        return True

    def start(
        self,
        run: str,
        name: str,
        parent: str | None = None,
        params: Mapping[str, object] | None = None,
        tags: Mapping[str, object] | None = None,
        inputs: Iterable[Mapping[str, object]] = (),
    ) -> None:
        """Records that a run starts, or resumes.

        Args:
            run: "" or the child's key.
            name: of the run in MLflow.
            parent: the key of the parent in this journal ("" for a fold), or the path of another
                run's folder relative to this one (".." for a trial in its sweep's folder).
            params: its settings by dotted key; values are stored as text.
            tags: values are stored as text.
            inputs: for each part of the data {name, digest, source, context, rows, groups}, where
                context is "train", "valid", "test" or "unlabelled".
        """
        self._append(
            "start",
            run,
            name=name,
            parent=parent,
            params={key: str(value) for key, value in (params or {}).items()},
            tags={key: str(value) for key, value in (tags or {}).items()},
            inputs=[dict(entry) for entry in inputs],
            writer=writer(),
        )

    def metrics(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Records scores of an epoch or optimizer step; call it once per epoch."""
        self._append("metrics", run, step=int(step), values={k: _number(v) for k, v in values.items()})

    def system(self, run: str, step: int, values: Mapping[str, float]) -> None:
        """Records a sample of system metrics; another thread may call it."""
        self._append("system", run, step=step, values={k: _number(v) for k, v in values.items()})

    def tags(self, run: str, tags: Mapping[str, object]) -> None:
        """Records tags that are new or have changed since the start."""
        self._append("tags", run, tags={key: str(value) for key, value in tags.items()})

    def artifact(self, run: str, path: str | Path, under: str = "") -> None:
        """Records a file or folder; `path` is relative to the run's folder, `under` is MLflow's folder."""
        self._append("artifact", run, path=Path(path).as_posix(), under=under)

    def model(self, run: str, path: str | Path) -> None:
        """Records a bundle written by `harness.bundle.bundle.write`; `path` is relative to the folder."""
        self._append("model", run, path=Path(path).as_posix())

    def end(self, run: str, status: End, error: str | None = None) -> None:
        """Records the end of a run; the end of "" is the last event of the journal."""
        if status not in get_args(End):
            raise ValueError(f"status must be one of {', '.join(get_args(End))}, got {status!r}")
        self._append("end", run, status=status, error=error)

    def close(self) -> None:
        """Closes the file and releases the lock; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, event: str, run: str, **facts: object) -> None:
        record = {"event": event, "time": time.time_ns() // 1_000_000, "run": run, **facts}
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            if self._torn:
                line = b"\n" + line
            # A full disk may accept half a line: the next event then starts on a new line.
            self._torn = True
            if os.write(self._file, line) < len(line):
                raise OSError(f"only part of a line fitted into {JOURNAL}; is the disk full?")
            self._torn = False


_claimed: weakref.WeakSet[Journal] = weakref.WeakSet()


@cache  # registered once per process, which may have hundreds of runs
def _close_in_children() -> None:
    def close_all() -> None:
        for journal in list(_claimed):
            journal.close()

    os.register_at_fork(after_in_child=close_all)


def read(folder: Path, offset: int = 0, until: int | None = None) -> tuple[list[Event], int]:
    """Returns the complete events from byte `offset` (up to byte `until`), and the offset for the next call.

    A last line that is still being written is left for the next call. An incomplete line in the middle,
    caused by a full disk or a power cut, is skipped. Without a journal there are no events.

    Raises:
        DamagedFile: the journal cannot be read, or a complete line is no event.
    """
    path = Path(folder) / JOURNAL
    try:
        with reading(path), open(path, "rb") as file:
            file.seek(offset)
            data = file.read(-1 if until is None else until - offset)
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    events = []
    for number, line in enumerate(whole.split(b"\n"), start=1):
        event = _parsed(line)
        if event is not None:
            place = f"line {number} after byte {offset}" if offset else f"line {number}"
            kind = event.get("event") if isinstance(event, dict) else None
            check_shape(event, _SHAPES.get(kind, _Event) if isinstance(kind, str) else _Event, path, place)
            events.append(event)
    return events, offset + len(whole)


def writer() -> dict[str, Any]:
    """Returns host, user, process id and start time (ticks since boot) of this process.

    The start time distinguishes it from a later process with the same id.
    """
    pid = os.getpid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id that has no name
        user = str(os.getuid())
    return {"host": socket.gethostname(), "user": user, "pid": pid, "born": _born(pid)}


def alive(who: Mapping[str, Any]) -> bool | None:
    """Whether that writer still runs; None if it is on another host."""
    if who["host"] != socket.gethostname():
        return None
    if who["born"] is not None:
        return bool(_born(who["pid"]) == who["born"])
    try:
        os.kill(who["pid"], 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # it runs as another user
    return True


def _born(pid: int) -> int | None:
    """Returns field 22 (start time) of /proc/PID/stat; None for an ended process, or without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 1 :].split()  # the name before it may contain blanks and brackets
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _number(value: float) -> float | str:
    """JSON has no NaN or infinity: these are stored as text that `float` reads back."""
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _parsed(line: bytes) -> Any:
    """Returns the content of a line; None if it is incomplete."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def _ends_within_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
