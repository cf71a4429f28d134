"""The commands that an agent has started: one process each, known by a handle."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any

from harness.cli.json_results import VERSION
from harness.cli.verb_outcome import JSON
from harness.core.errors import UnknownName, UserError
from harness.runtime.secret_values import Secrets

_GRACE = 60.0
"""Seconds in which a command that was stopped may write a checkpoint, before it is killed."""

_LINES = 20
"""Last lines of a command's text that its state shows."""


_LONG = ("run", "sweep")
"""Commands that may take hours."""


class NotEnded(UserError):
    """The result of a command that still runs."""


@dataclass
class Job:
    """A command: its handle, its verb or `run` or `sweep`, its process, and the files of what it prints."""

    handle: str
    kind: str
    process: subprocess.Popen[bytes]
    answer_file: Path
    text_file: Path
    began: float = field(default_factory=time.monotonic)

    @property
    def running(self) -> bool:
        """Whether its process has not ended."""
        return self.process.poll() is None

    def state(self) -> dict[str, Any]:
        """Its handle, whether it runs, its seconds so far, and the last lines of its text without secrets."""
        text = self.text_file.read_text(encoding="utf-8", errors="replace")
        lines = Secrets(None).text(text).splitlines()[-_LINES:]
        running = self.running
        return {
            "handle": self.handle,
            "state": "running" if running else "ended",
            "seconds": round(time.monotonic() - self.began, 1),
            "lines": lines,
        }

    def answer(self) -> dict[str, Any]:
        """The object that the command printed, see `harness.cli.json_answer`.

        Raises:
            NotEnded: it still runs.
        """
        if self.running:
            rule = f"{self.handle} has not ended"
            raise NotEnded(rule, "ask for its status, wait longer, or stop it", value=self.handle)
        printed = self.answer_file.read_text(encoding="utf-8").splitlines()
        for line in reversed(printed):
            try:
                found: dict[str, Any] = json.loads(line)
            except ValueError:
                continue
            return found
        status = self.process.returncode
        last = next(reversed(self.state()["lines"]), "")
        message = last.removeprefix("error: ") or f"the command ended with status {status}"
        absent = dict.fromkeys(("rule", "value", "remedy", "key"))
        error = {"kind": "NoAnswer", "message": message, **absent}
        return {"schema": VERSION, "command": self.kind, "status": status, "result": None, "error": error}


class Jobs:
    """Starts commands in a folder, and ends those that run when the server ends.

    Args:
        folder: the current folder of each command.
        most: runs and sweeps that may run at the same time, and as many other commands.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder, self.most = folder, most
        self._files = tempfile.TemporaryDirectory(prefix="harness-mcp-")
        self._jobs: dict[str, Job] = {}
        self._lock = Lock()

    def start(self, words: Sequence[str], kind: str) -> Job:
        """Starts `python -m harness WORDS --json`.

        Args:
            kind: a verb, `run` or `sweep`, with which its handle begins.

        Raises:
            UserError: too many commands run already.
        """
        with self._lock:
            jobs = [job for job in self._jobs.values() if (job.kind in _LONG) == (kind in _LONG)]
            running = [job.handle for job in jobs if job.running]
            if len(running) >= self.most:
                rule = f"{len(running)} commands run already ({', '.join(running)}), and --jobs={self.most}"
                raise UserError(rule, "wait for one, or stop one", key="--jobs", value=str(self.most))
            handle = f"{kind}-{secrets.token_hex(3)}"
            place = Path(self._files.name)
            answer_file, text_file = place / f"{handle}.json", place / f"{handle}.txt"
            with answer_file.open("wb") as answer, text_file.open("wb") as text:
                process = subprocess.Popen(
                    [sys.executable, "-m", "harness", *words, JSON],
                    cwd=self.folder,
                    stdin=subprocess.DEVNULL,
                    stdout=answer,
                    stderr=text,
                    start_new_session=True,  # Ctrl-C at the server is passed on by `close`
                )
            job = self._jobs[handle] = Job(handle, kind, process, answer_file, text_file)
        return job

    def kind(self, handle: str) -> str:
        """The verb of a handle; "run" of an unknown one."""
        job = self._jobs.get(handle)
        return "run" if job is None else job.kind

    def forget(self, job: Job) -> None:
        """Removes a short command whose answer was given."""
        if job.kind not in _LONG:
            del self._jobs[job.handle]
            job.answer_file.unlink()
            job.text_file.unlink()

    def handles(self) -> list[str]:
        """The handles of all commands, the newest last."""
        return list(self._jobs)

    def find(self, handle: str) -> Job:
        """The job of a handle.

        Raises:
            UnknownName: there is none.
        """
        job = self._jobs.get(handle)
        if job is None:
            raise UnknownName(f"there is no command {handle!r}", handle, tuple(self._jobs))
        return job

    def wait(self, job: Job, seconds: float) -> bool:
        """Waits for the end of a command, `seconds` at most; returns whether it has ended."""
        try:
            job.process.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        return True

    def stop(self, job: Job) -> None:
        """Asks a command to stop, as Ctrl-C does: a training writes a checkpoint first."""
        if job.running:
            job.process.send_signal(signal.SIGINT)

    def leave(self) -> None:
        """Asks all commands to stop, and removes their files; does not wait."""
        for job in list(self._jobs.values()):
            self.stop(job)
        self._files.cleanup()

    def close(self) -> None:
        """Stops all commands, waits for them, and removes their files."""
        running = [job for job in self._jobs.values() if job.running]
        for job in running:
            self.stop(job)
        until = time.monotonic() + _GRACE
        for job in running:
            if not self.wait(job, until - time.monotonic()):
                job.process.kill()
                job.process.wait()
        self._files.cleanup()
