"""The uploader: the process that sends journals to MLflow, so that training never waits for MLflow.

    python -m harness.tracking.uploader

`harness.tracking.mlflow` starts it. It reads commands from standard input, one JSON object per line:
`{"follow": FOLDER, "uri": …, "experiment": …, "outputs": …}` starts the upload of a run's journal,
`{"hurry": FOLDER}` sends it at once. The progress is in the folder's `tracking.json`. The end of the input
means that the training process has ended: the uploader then marks runs without an end as KILLED, sends the
rest for at most a minute, and exits.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, TextIO

from harness.runtime.garbage_collection import collect_as_usual, collect_rarely
from harness.tracking.mlflow_store import prepare
from harness.tracking.store_address import scrubbed
from harness.tracking.sync_runs import leftovers
from harness.tracking.upload_task import UploadTask

POLL = 0.3
"""Seconds between two reads of a journal."""

AFTERLIFE = 60.0
"""Seconds that the uploader continues after the training process has ended."""

Command = dict[str, Any]


class Uploader:
    """Uploads the given runs, and completes those of earlier killed processes."""

    def __init__(self, commands: queue.SimpleQueue[Command | None]) -> None:
        self._commands = commands
        self._tasks: dict[Path, UploadTask] = {}
        self._chores: Iterator[None] | None = None
        self._tidied = False
        self._alone = False
        self.uri = ""

    def serve(self) -> None:
        """Returns when the training process has ended and nothing is left to send."""
        while not (self._alone and not self._tasks and self._chores is None):
            self._listen()
            for folder, task in list(self._tasks.items()):
                if task.work(monotonic(), self._alone):
                    del self._tasks[folder]
            self._do_a_chore()

    def _listen(self) -> None:
        """Waits briefly for the next command, and returns all available ones."""
        if self._alone:
            sleep(POLL if self._tasks else 0.0)
            return
        with suppress(queue.Empty):
            self._take(self._commands.get(timeout=POLL))
            while not self._alone:
                self._take(self._commands.get_nowait())

    def _take(self, command: Command | None) -> None:
        if command is None:
            self._alone = True
        elif "hurry" in command:
            task = self._tasks.get(Path(command["hurry"]))
            if task is not None:
                task.hurry()
        else:
            folder, outputs = Path(command["follow"]), Path(command["outputs"])
            self.uri = command["uri"]
            if folder in self._tasks:
                self._tasks[folder].leave()
            self._tasks[folder] = UploadTask(folder, command["uri"], command["experiment"], outputs)
            if not self._tidied:
                self._chores, self._tidied = leftovers(command["uri"], outputs), True

    def _do_a_chore(self) -> None:
        if self._chores is not None:
            try:
                next(self._chores)
            except StopIteration:
                self._chores = None


def _read_commands(source: TextIO, commands: queue.SimpleQueue[Command | None]) -> None:
    for line in source:
        with suppress(ValueError):  # the writer was killed in the middle of a line
            commands.put(json.loads(line))
    commands.put(None)
    # A hanging request must not keep this process alive; `sync` sends the rest.
    sleep(AFTERLIFE)
    os._exit(1)


def _watch_parent(parent: int, commands: queue.SimpleQueue[Command | None]) -> None:
    """Needed because a forked child of the dead process can keep the other end of the pipe open."""
    while os.getppid() == parent:
        sleep(1.0)
    commands.put(None)
    sleep(AFTERLIFE)
    os._exit(1)


def main() -> int:
    """Executes the commands from standard input; returns 1 after a crash, with details in
    `<outputs>/uploader.log`."""
    # Ctrl-C and a scheduler's SIGTERM are for the training; only the end of the training ends the uploader.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    os.nice(5)  # lower priority than the training, but not the lowest: a run waits for this at its end
    commands: queue.SimpleQueue[Command | None] = queue.SimpleQueue()
    threading.Thread(target=_read_commands, args=(sys.stdin, commands), daemon=True).start()
    threading.Thread(target=_watch_parent, args=(os.getppid(), commands), daemon=True).start()
    uploader = Uploader(commands)
    try:
        collect_rarely()
        prepare()
        collect_as_usual()
        uploader.serve()
    except Exception:
        with open("uploader.log", "a") as log:
            log.write(scrubbed(traceback.format_exc(), uploader.uri))
        return 1
    return 0


if __name__ == "__main__":
    os._exit(main())  # a normal exit would wait for the thread that reads the input
