"""MLflow tracking on the side of the training process, which neither imports MLflow nor waits for it.

Another process, the uploader, reads the journal in the run's folder and sends it. It records its progress
in `tracking.json` in the same folder.
"""

from __future__ import annotations

import atexit
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from harness.runs.journal import Journal
from harness.runs.tracking_state import SILENCE, State
from harness.runtime.mlflow_environment import URI, run_tags, system_metrics_enabled, variable
from harness.runtime.redact import MASK
from harness.tracking import store_address
from harness.tracking.run_link import Link
from harness.tracking.system_sampler import SystemSampler, require_packages, sampling_interval

_POLL = 0.02
_CREATION = 120.0
"""Seconds for which the first run of a project waits at most while its store is created."""
_ROOT = Path(__file__).resolve().parents[2]


class _Uploader:
    """The uploader process and the pipe to it."""

    def __init__(self, outputs: Path) -> None:
        self.owner = os.getpid()
        outputs.mkdir(parents=True, exist_ok=True)
        paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            "OMP_NUM_THREADS": "1",
        }
        # A new session, so that Ctrl-C on the terminal does not reach it. `-P`: a file named mlflow.py in the
        # current folder must not be imported instead of MLflow.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "harness.tracking.uploader"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=outputs,
            env=environment,
            start_new_session=True,
        )

    @property
    def fate(self) -> int | None:
        """The exit status; None while it runs."""
        return self._process.poll()

    def send(self, command: dict[str, str]) -> bool:
        """Sends a command; False if the uploader no longer reads."""
        if self.owner != os.getpid() or self.fate is not None or self._process.stdin is None:
            return False
        try:
            self._process.stdin.write(json.dumps(command).encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            return False
        return True

    def dismiss(self, timeout: float) -> None:
        """Closes its input and waits until it ends; after `timeout` seconds it continues alone."""
        if self._process.stdin is not None:
            with suppress(OSError):  # it has ended with a part of a command unread
                self._process.stdin.close()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self._process.returncode = 0  # the uploader continues on purpose


def _uri_of_environment() -> str | None:
    """Raises ValueError if MLflow's variable names a store that is not supported."""
    uri = variable(URI)
    try:
        store_address.check(uri)
    except ValueError as error:
        raise ValueError(f"{error}, from the environment variable {URI}") from error
    return uri


_uploader: _Uploader | None = None
_silent: set[str] = set()


class Mlflow:
    """Tracks runs in an MLflow store: a server, a database, or by default a file in `outputs`.

    One uploader serves all runs of a process. What cannot be sent in time stays in the run's folder and is
    sent by `python -m harness sync` or by the uploader of the next run. `tags` are those that
    MLFLOW_RUN_CONTEXT gives to every run.

    Args:
        uri: a tracking server or a database; None: that of MLFLOW_TRACKING_URI, else sqlite,
            `<outputs>/mlflow.db`.
        experiment: created if it does not exist.
        outputs: folder of the local store, its artifacts, and the log of a crashed uploader.
        system_metrics: whether to sample CPU, memory, disk, network and GPUs; None: as
            MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING says, else not.
        patience: the longest time in seconds that the end of a run waits for MLflow. If a store did not
            answer at the end of one run, later runs wait only one second until it answers again. The
            time in which a new local store is created does not count.

    Raises:
        ValueError: a value is out of range.
        UserError: the path of the local store is too long for SQLite, or a package is missing that reads
            system metrics.
    """

    def __init__(
        self,
        *,
        uri: str | None,
        experiment: str,
        outputs: str,
        patience: float,
        system_metrics: bool | None = None,
    ) -> None:
        uri = uri if uri is not None else _uri_of_environment()
        store_address.check(uri)
        if not experiment.strip():
            raise ValueError("experiment must be a name, got an empty text")
        if patience < 0:
            raise ValueError(f"patience must be at least 0 seconds, got {patience}")
        if system_metrics is None:
            system_metrics = system_metrics_enabled()
        self._interval = sampling_interval() if system_metrics else None
        if system_metrics:
            require_packages()
        self._outputs = Path(outputs).absolute()
        self._uri = store_address.absolute(uri, self._outputs)
        store_address.check_length(self._uri)
        self._place = store_address.masked(self._uri)
        self._experiment = experiment
        self.tags = run_tags()
        self._patience = patience
        self._left = patience
        self._fault: str | None = None

    def follow(self, folder: Path) -> None:
        """Starts the upload of this folder's journal. Returns at once."""
        global _uploader
        self._fault = None
        folder = folder.absolute()
        state = State.load(folder)
        if state is None or not state.same_place(self._place, self._experiment):
            State(self._place, self._experiment).save(folder)
        self._left = min(1.0, self._patience) if self._place in _silent else self._patience
        command = {
            "follow": str(folder),
            "uri": self._uri,
            "experiment": self._experiment,
            "outputs": str(self._outputs),
        }
        if _uploader is None or not _uploader.send(command):
            release()
            try:
                _uploader = _Uploader(self._outputs)
            except OSError as error:  # a read-only outputs folder must not stop the training
                _uploader, self._fault = None, str(error)
                return
            _uploader.send(command)

    def sample(self, journal: Journal, folder: Path, step: int) -> SystemSampler | None:
        """Starts to sample system metrics into the journal of a run; None if they are not wanted.

        Args:
            step: of the first sample.
        """
        return None if self._interval is None else SystemSampler(journal, folder, step, self._interval)

    def link(self, folder: Path, timeout: float | None = None) -> Link:
        """Waits until MLflow has assigned a run id, for `result.json`. With `timeout=0` it only checks.

        All waits of one run, `settle` included, share the budget `patience`.
        """
        return self._wait(folder.absolute(), timeout, lambda state: "" in state.runs)

    def settle(self, folder: Path, timeout: float | None = None) -> Link:
        """Waits until the whole journal has been sent; called at the end of a run."""
        folder = folder.absolute()
        link = self._wait(folder, timeout, lambda state: state.sent(folder))
        if link.sent:
            _silent.discard(self._place)
        else:
            _silent.add(self._place)
        return link

    def _wait(self, folder: Path, timeout: float | None, arrived: Callable[[State], bool]) -> Link:
        begun = waiting = monotonic()
        longest = max(0.0, self._left if timeout is None else min(timeout, self._left))
        if _uploader is not None and timeout != 0:
            _uploader.send({"hurry": str(folder)})
        while True:
            fate = None if _uploader is None else _uploader.fate
            state = State.load(folder) or State(self._place, self._experiment)
            if timeout is None and longest and self._creating(state) and monotonic() - begun < _CREATION:
                waiting = monotonic()
            if arrived(state) or self._fault or fate is not None or monotonic() >= waiting + longest:
                break
            sleep(_POLL)
        self._left -= monotonic() - waiting
        sent = state.sent(folder)
        trouble = self._sentence(folder, state, sent, fate, arrived(state))
        return Link(self._place, state.title, state.runs.get(""), sent, trouble)

    def _creating(self, state: State) -> bool:
        """Whether the uploader has yet to create the local store, and has met no obstacle."""
        path = store_address.file(self._uri)
        return path is not None and not path.exists() and state.trouble is None

    def _sentence(
        self, folder: Path, state: State, sent: bool, fate: int | None, arrived: bool
    ) -> str | None:
        if arrived:
            return f"MLflow refused {state.refusals}." if state.refused and sent else None
        if self._fault is not None:
            reason = f"the process that feeds MLflow could not be started ({self._fault})"
        elif fate is not None:
            reason = (
                f"the process that feeds MLflow ended with status {fate} (see {self._outputs}/uploader.log)"
            )
        elif state.trouble is None and store_address.file(self._uri) is not None:
            reason = (
                f"the upload to MLflow at {self._place} takes more than {self._patience:g} s and continues"
            )
        elif state.trouble is None:
            reason = f"MLflow at {self._place} did not answer within {self._patience:g} s"
        elif state.trouble == SILENCE:
            reason = f"MLflow at {self._place} did not answer"
        else:
            reason = f"MLflow at {self._place} did not take the run: {state.trouble.rstrip('.')}"
        # A password is not stored, so that `sync` needs the whole address.
        address = " --uri ADDRESS" if MASK in self._place else ""
        command = f"python -m harness sync {shlex.quote(str(folder))}{address}"
        return f"{reason}; the run is complete in {folder}, send it later with `{command}`."


def dismiss(timeout: float = 60.0) -> None:
    """Ends the uploader of this process after it has finished; optional before the process exits."""
    global _uploader
    if _uploader is not None:
        _uploader.dismiss(timeout)
        _uploader = None


@atexit.register
def release() -> None:
    """Closes the input of the uploader of this process and lets it finish alone."""
    dismiss(0.0)
