"""Journal: what happened in a run, appended to its folder line by line.

The run's folder is the truth. The corridor writes here first, and MLflow is fed from the journal
by another process, so that training waits for nothing but one `write`.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import math
import os
import socket
import time
import weakref
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

JOURNAL = "journal.jsonl"

Event = dict[str, Any]
End = Literal["finished", "pruned", "failed", "interrupted"]


class Journal:
    """Appends events to `<folder>/journal.jsonl`: strict JSON, each a whole line in one write.

    `run` names whom an event concerns: "" is the parent, or the only run; "fold-3" a child.
    Texts and parameters must already be free of secrets. A run that is resumed in the same folder
    goes on in the same journal with another `start`.

    Raises:
        OSError: the folder is missing or the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        path = Path(folder) / JOURNAL
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._torn = _ends_within_a_line(path)

    def claim(self) -> bool:
        """Takes the journal for this process alone; False where another has it.

        The system takes it back when the process ends, however that ends. A forked child, such as a
        worker that loads data, lets go of it at once, so that none outlives its parent as the owner.
        """
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True  # a file system without locks: whoever is alive is known by `alive` alone
        _let_go_in_children()
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
        """A run begins, or goes on after a stop.

        Args:
            run: "" or the child's key.
            name: what MLflow calls the run.
            parent: the key of the parent in this journal ("" for a fold), or the path of another
                run's folder relative to this one (".." for a trial in its sweep's folder).
            params: what it was started with; values become text.
            tags: labels; values become text.
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
        """Scores at an epoch or optimizer step; one call per epoch is meant."""
        self._append("metrics", run, step=int(step), values={k: _number(v) for k, v in values.items()})

    def tags(self, run: str, tags: Mapping[str, object]) -> None:
        """Labels that became known, or changed, on the way."""
        self._append("tags", run, tags={key: str(value) for key, value in tags.items()})

    def artifact(self, run: str, path: str | Path, under: str = "") -> None:
        """A file or folder, `path` relative to the run's folder, shown under the folder `under`."""
        self._append("artifact", run, path=Path(path).as_posix(), under=under)

    def model(self, run: str, path: str | Path) -> None:
        """A bundle that `harness.bundle.bundle.write` has written, `path` relative to the folder."""
        self._append("model", run, path=Path(path).as_posix())

    def end(self, run: str, status: End, error: str | None = None) -> None:
        """The run is over; the end of "" is the last event of all."""
        if status not in get_args(End):
            raise ValueError(f"status must be one of {', '.join(get_args(End))}, got {status!r}")
        self._append("end", run, status=status, error=error)

    def close(self) -> None:
        """No event can follow; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _append(self, event: str, run: str, **facts: object) -> None:
        record = {"event": event, "time": time.time_ns() // 1_000_000, "run": run, **facts}
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        if self._torn:
            line = b"\n" + line
        # A full disk may take half a line: the next event then starts on a line of its own.
        self._torn = True
        if os.write(self._file, line) < len(line):
            raise OSError(f"only part of a line fitted into {JOURNAL}; is the disk full?")
        self._torn = False


_claimed: weakref.WeakSet[Journal] = weakref.WeakSet()


@cache  # once for a process, whose runs may be hundreds
def _let_go_in_children() -> None:
    def let_go() -> None:
        for journal in list(_claimed):
            journal.close()

    os.register_at_fork(after_in_child=let_go)


def read(folder: Path, offset: int = 0, until: int | None = None) -> tuple[list[Event], int]:
    """The whole events from byte `offset` on (up to byte `until`), and the offset at which to go on.

    A last line that is still being written is left for the next call; a torn line in the middle,
    which only a full disk or a power cut leaves, is passed over. No journal: no events.
    """
    try:
        with open(Path(folder) / JOURNAL, "rb") as file:
            file.seek(offset)
            data = file.read(-1 if until is None else until - offset)
    except FileNotFoundError:
        return [], offset
    whole = data[: data.rfind(b"\n") + 1]
    events = [event for line in whole.split(b"\n") if (event := _parsed(line)) is not None]
    return events, offset + len(whole)


def writer() -> dict[str, Any]:
    """Who is writing: host, user, process id, and when that process was born (ticks since boot).

    The birth keeps a later process that was given the same id from being taken for the writer.
    """
    pid = os.getpid()
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a user id that has no name
        user = str(os.getuid())
    return {"host": socket.gethostname(), "user": user, "pid": pid, "born": _born(pid)}


def alive(who: Mapping[str, Any]) -> bool | None:
    """Whether that writer still runs; None where another host would have to answer."""
    if who["host"] != socket.gethostname():
        return None
    if who["born"] is not None:
        return bool(_born(who["pid"]) == who["born"])
    try:
        os.kill(who["pid"], 0)
    except OSError as error:
        return isinstance(error, PermissionError)  # it runs, under another user
    return True


def _born(pid: int) -> int | None:
    """Field 22 of proc(5)'s stat; None for a process that is gone or a zombie, or without /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat[stat.rfind(b")") + 1 :].split()  # the name before may hold blanks and brackets
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def _number(value: float) -> float | str:
    """JSON has no NaN: what is not finite is kept as text that `float` reads back."""
    value = float(value)
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _parsed(line: bytes) -> Event | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None


def _ends_within_a_line(path: Path) -> bool:
    with open(path, "rb") as file:
        size = file.seek(0, os.SEEK_END)
        if size == 0:
            return False
        file.seek(size - 1)
        return file.read(1) != b"\n"
