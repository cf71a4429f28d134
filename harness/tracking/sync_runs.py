"""sync: uploads what earlier runs could not send, and marks killed runs as KILLED."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from filelock import Timeout

from harness.core.errors import UserError
from harness.core.user_path import user_path
from harness.runs.journal import JOURNAL
from harness.runs.outputs import Outputs
from harness.runs.stored_run import StoredRun
from harness.runs.tracking_state import State
from harness.runtime.inner_path import check_tree, inner
from harness.runtime.redact import MASK
from harness.runtime.stored_file import DamagedFile
from harness.tracking import store_address
from harness.tracking.journal_upload import JournalUpload, error_line
from harness.tracking.upload_task import lock

_PLACES = ("runs/*", "sweeps/*", "sweeps/*/*", "sweeps/*/*/seed-*")
"""Patterns of run folders below the outputs folder; the last one is for repeats of a trial."""

_SLICE = 1.0


def sync(
    target: str | Path | None,
    outputs: str | Path,
    uri: str | None = None,
    experiment: str | None = None,
) -> list[str]:
    """Sends a run's journal, or those of all unsent runs below `outputs`; reports one line for each.

    A killed run is marked as KILLED. A running run is skipped; its own uploader sends it.

    Args:
        target: a run, named as in `Outputs.find`, or a sweep; None: all that are not sent.
        uri: the target store; needed if its address has a password, which is never stored. A new address
            receives the whole run.
        experiment: None: unchanged.

    Raises:
        UserError: there is no such run, its address or password is unknown, or MLflow did not answer.
    """
    outputs = Path(outputs).absolute()
    folders = unsent(outputs) if target is None else [_find(str(target), outputs)]
    lines, failures = [], []
    refused: UserError | None = None
    for folder in folders:
        try:
            place = _place(folder, outputs, uri, experiment, explicit=target is not None)
        except UserError as error:  # a password that one run lacks must not keep the others back
            refused = refused or error
            continue
        try:
            lines.append(_send(folder, *place, outputs))
        except Exception as error:
            failures.append(f"MLflow at {store_address.masked(place[0])}: {error_line(error, place[0])}")
    if refused is not None:
        raise refused
    if failures:
        raise UserError(
            f"{len(failures)} of {len(folders)} runs could not be sent: {failures[0].rstrip('.')}",
            "start that server, or give another address with --uri ADDRESS",
        )
    return lines or ["nothing to send."]


def unsent(outputs: Path) -> list[Path]:
    """The folders of tracked runs that were not sent completely, sorted by name."""
    return [folder for folder in _folders(outputs) if _unsent(folder) is not None]


def _folders(outputs: Path) -> Iterator[Path]:
    """The folders of runs; the files of a sweep lie beside those of its trials."""
    return (path for place in _PLACES for path in sorted(outputs.glob(place)) if path.is_dir())


def _unsent(folder: Path) -> State | None:
    """The state of a tracked run that was not sent completely; None for any other folder."""
    state = State.load(folder)
    return state if state is not None and (folder / JOURNAL).exists() and not state.sent(folder) else None


def leftovers(uri: str, outputs: Path) -> Iterator[None]:
    """Used by the uploader: sends the rest of killed runs to this store, about a second per step.

    It ends at the first error of the store; the next uploader tries again. A run with a damaged file is left
    out: the runs of this process do not depend on it.
    """
    yield  # the run that this uploader was started for comes first
    for folder in _folders(outputs):
        try:
            state = _unsent(folder)
            if state is None or state.uri != store_address.masked(uri):
                continue
            if StoredRun(folder).history.running is not False:
                continue
            with lock(folder).acquire(timeout=0):
                feed = JournalUpload(folder, uri, state.experiment, outputs)
                while not feed.advance(_SLICE):
                    yield
                if not feed.finished and feed.writer_lives is False:
                    feed.abandon()
        except (Timeout, DamagedFile):
            continue
        except Exception:
            return
        yield


def _find(target: str, outputs: Path) -> Path:
    """The folder of the run, or of the sweep, that a user names.

    Raises:
        UserError: there is no such run or sweep.
    """
    for folder in (user_path(target).absolute(), outputs / "runs" / target):
        if (folder / JOURNAL).exists():
            return folder
    known = Outputs(outputs)
    sweep = known.sweep_folder(target)
    if sweep is not None and (sweep / JOURNAL).exists():
        return sweep
    return known.find(target).folder


def _place(
    folder: Path, outputs: Path, uri: str | None, experiment: str | None, explicit: bool
) -> tuple[str, str]:
    """The address, password included, and experiment that a run goes to.

    Raises:
        UserError: the address or its password is not known, or only a folder from elsewhere names it.
        OutsideFolder: the journal names a file that is not in the folder.
    """
    made_here = Outputs(outputs).made(folder)
    if not made_here:
        check_tree(folder)
    for event in StoredRun(folder).events:
        if event["event"] in ("artifact", "model"):
            inner(folder, str(event.get("path", "")))
    state = State.load(folder)
    given = None if uri is None else store_address.absolute(uri, outputs)
    if state is not None and given is None and not made_here:
        raise UserError(
            f"{folder} was not made below {outputs}, and the address in it ({state.uri}) is not used",
            "give the one that you mean with --uri ADDRESS",
            key="--uri",
            value=state.uri,
        )
    if state is None:
        if given is None:
            raise UserError(
                f"{folder} was not tracked, so that its address is not known", "give it with --uri ADDRESS"
            )
        return given, experiment or "harness"
    chosen = experiment or state.experiment
    if given is not None and (explicit or state.uri == store_address.masked(given)):
        return given, chosen
    if MASK in state.uri:
        raise UserError(
            f"{folder} goes to {state.uri}, and passwords are never stored",
            "give the whole address with --uri ADDRESS",
        )
    return state.uri, chosen


def _send(folder: Path, uri: str, experiment: str, outputs: Path) -> str:
    lives = StoredRun(folder).history.running
    if lives:
        return f"{folder}: still running; its own process sends it."
    try:
        with lock(folder).acquire(timeout=0):
            feed = JournalUpload(folder, uri, experiment, outputs)
            try:
                while not feed.advance(_SLICE):
                    pass
                if not feed.finished and feed.writer_lives is False:
                    feed.abandon()
                    return f"{folder}: sent, and marked as KILLED: its process had died before its end."
            except Exception as error:
                feed.report(error)
                raise
    except Timeout:
        return f"{folder}: another process is sending it."
    if not feed.finished:
        return f"{folder}: sent so far; it has no end, and whether it still runs is known on its own machine."
    refused = f" MLflow refused {feed.state.refusals}." if feed.state.refused else ""
    return f"{folder}: sent to {feed.state.uri}.{refused}"
