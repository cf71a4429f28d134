"""Sweeps as somebody types them at a terminal, who may stop them, kill them, and type them again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from forked_command import ForkedCommand

QUICK = (
    *("data/extract=breast_cancer", "model=mlp", "trainer.epochs=2", "trainer.device=cpu"),
    *("tracking=none", "split.guard=off", "data.cache=off", "sweep.test=none"),
)


class Ended(NamedTuple):
    """What a command came to."""

    status: int
    out: str
    err: str


class Command:
    """A command under way, in a process group of its own, as a shell makes one.

    Args:
        by: the program and its first words; `-m harness` is forked instead of started anew.
    """

    def __init__(
        self, by: tuple[str, ...], words: tuple[str, ...], folder: Path, log: Path, variables: dict[str, str]
    ) -> None:
        self._files = log.with_suffix(".out"), log.with_suffix(".err")
        variables = {"OMP_NUM_THREADS": "1", **variables}
        self._process: ForkedCommand | subprocess.Popen[bytes]
        if by == ("-m", "harness"):
            self._process = ForkedCommand(words, folder, *self._files, variables)
        else:
            with self._files[0].open("w") as out, self._files[1].open("w") as err:
                self._process = subprocess.Popen(
                    [sys.executable, *by, *words],
                    cwd=folder,
                    stdout=out,
                    stderr=err,
                    env={**os.environ, **variables},
                    start_new_session=True,
                )
        self._seen = {self.pid}

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def family(self) -> set[int]:
        """All processes that it has started and that live, at whatever remove."""
        parents = _parents()
        self._seen |= {pid for pid in parents if _descends(pid, self._seen, parents)}
        return {pid for pid in self._seen - {self.pid} if pid in parents}

    def wait(self, seconds: float = 300) -> Ended:
        """What it came to; a test in which it hangs fails."""
        until(lambda: self.family is not None and self._process.poll() is not None, seconds, self.output)
        status = self._process.poll()
        assert status is not None
        return Ended(status, *(file.read_text() for file in self._files))

    def output(self) -> str:
        return "\n".join(file.read_text() for file in self._files)

    def terminal(self, signum: int) -> None:
        """Ctrl-C, or what else a terminal sends: to the whole group."""
        os.killpg(self.pid, signum)

    def kill(self) -> None:
        """Ends it alone, at once."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.wait(60)

    def clear(self) -> None:
        """Whatever a test has left behind."""
        for pid in (*self.family, self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)


class Terminal:
    """`terminal("seed=1,2")` types that multirun of a quick experiment; it is under way then.

    Args:
        folder: where it is typed.
        logs: an empty folder.
    """

    def __init__(self, folder: Path, logs: Path) -> None:
        self.folder = folder
        self._logs = logs
        self._commands: list[Command] = []

    def __call__(
        self,
        *words: str,
        by: tuple[str, ...] = ("-m", "harness"),
        folder: Path | None = None,
        **variables: str,
    ) -> Command:
        log = self._logs / str(len(self._commands))
        self._commands.append(Command(by, ("-m", *QUICK, *words), folder or self.folder, log, variables))
        return self._commands[-1]

    def run(self, *words: str, **variables: str) -> Sweep:
        """Types it, waits for it, and wants it to succeed."""
        before = set(self.sweeps())
        ended = self(*words, **variables).wait()
        assert ended.status == 0, ended
        made = set(self.sweeps()) - before
        return Sweep(made.pop() if made else max(before, key=lambda path: path.stat().st_mtime))

    def alone(self, run_cli: Callable[..., Any], *words: str, status: int = 0) -> Sweep:
        """The same by a single worker in the test's own process, whose imports are done."""
        before = set(self.sweeps())
        ended = run_cli("-m", *QUICK, *words, "sweep.name=alone")
        assert ended.status == status, ended
        (made,) = set(self.sweeps()) - before
        return Sweep(made)

    def together(self, processes: Callable[..., Any], *words: str) -> Any:
        """The same by two processes of torchrun; what each came to."""
        return processes(_execute, ["-m", *QUICK, *words])

    def sweeps(self) -> list[Path]:
        return list(self.folder.glob("outputs/sweeps/*"))

    def sweep(self, name: str, url: str | None = None) -> Sweep:
        return Sweep(self.folder / "outputs/sweeps" / name, url)

    def the_sweep(self) -> Sweep:
        """The only one, once it has been begun."""
        self.until(lambda: any(Sweep(folder).has_begun() for folder in self.sweeps()))
        (folder,) = self.sweeps()
        return Sweep(folder)

    def until(self, condition: Callable[[], Any], seconds: float = 120) -> Any:
        """The condition's value, as soon as it is true."""
        return until(condition, seconds, lambda: "\n".join(command.output() for command in self._commands))

    def clear(self) -> None:
        for command in self._commands:
            command.clear()


class Sweep(NamedTuple):
    """What a sweep has in its folder, or in a database."""

    folder: Path
    url: str | None = None

    def has_begun(self) -> bool:
        """Whether its study exists; its journal does before."""
        try:
            return (self.folder / "study.journal").exists() and self.study is not None
        except KeyError:
            return False

    @property
    def study(self) -> optuna.Study:
        from harness.sweep.study.study_storage import open_storage

        return optuna.load_study(study_name=self.folder.name, storage=open_storage(self.url, self.folder))

    @property
    def trials(self) -> list[optuna.trial.FrozenTrial]:
        return self.study.get_trials(deepcopy=False)

    @property
    def states(self) -> list[str]:
        return [trial.state.name for trial in self.trials]

    @property
    def values(self) -> list[float | None]:
        return [trial.value for trial in self.trials]

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found

    def events(self, number: int, kind: str) -> list[dict[str, Any]]:
        """The events of that kind in a trial's journal."""
        from harness.runs.journal import read

        return [event for event in read(self.folder / str(number))[0] if event["event"] == kind]

    def repeated_epochs(self, number: int) -> list[tuple[str, int]]:
        """Epochs of a trial, by fold, whose scores stand in its journal more than once."""
        metrics = [event for event in self.events(number, "metrics") if "lr" in event["values"]]
        epochs = [(event["run"], event["step"]) for event in metrics]
        assert epochs
        return sorted({epoch for epoch in epochs if epochs.count(epoch) > 1})

    def with_a_checkpoint(self) -> dict[int, int]:
        """The process of each trial that runs, and could go on where it stands."""
        return {
            number: pid
            for number, pid in self.owners().items()
            if any(self.folder.glob(f"{number}/**/checkpoints/*.safetensors"))
        }

    def folds(self, number: int) -> list[str]:
        """The folds of a trial that have ended, in their order; one that ended twice stands there twice."""
        return [event["run"] for event in self.events(number, "end") if event["run"]]

    def writer(self, number: int) -> int:
        """The process that last began that trial."""
        return int(self.events(number, "start")[-1]["writer"]["pid"])

    def owners(self) -> dict[int, int]:
        """The process of each trial that runs; one that is being claimed, also again, has none yet."""
        running = [trial for trial in self.trials if trial.state.name == "RUNNING"]
        owners = {trial.number: trial.system_attrs.get("harness:owner") for trial in running}
        return {number: owner["pid"] for number, owner in owners.items() if owner and "pid" in owner}


def until(condition: Callable[[], Any], seconds: float = 120, message: Callable[[], str] = str) -> Any:
    """The condition's value, as soon as it is true.

    A condition that takes long, such as one that reads a study, is asked less often: asking takes a fifth of
    the time at most, which belongs to the processes that are waited for.
    """
    limit = time.monotonic() + seconds
    while True:
        begun = time.monotonic()
        found = condition()
        if found:
            return found
        assert time.monotonic() < limit, message()
        time.sleep(max(0.05, 4 * (time.monotonic() - begun)))


def _parents() -> dict[int, int]:
    """The parent of every process that lives."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            text = stat.read_text()
            state, parent = text[text.rfind(")") + 1 :].split()[:2]
            if state not in "ZX":
                found[int(stat.parent.name)] = int(parent)
    return found


def _descends(pid: int, elders: set[int], parents: dict[int, int]) -> bool:
    while pid in parents:
        pid = parents[pid]
        if pid in elders:
            return True
    return False


def _execute(words: list[str]) -> int:
    from harness.__main__ import execute

    return execute(words)
