"""The command line: `python -m harness [overrides | VERB ...]`.

A first word of only lower-case letters is a verb; everything else is passed to Hydra. Exit status: 0 done,
1 a fault, 2 the user's configuration or data is wrong, 130 Ctrl-C, 143 SIGTERM. With `--json` standard output
is one JSON object, see `harness.cli.json_answer`.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from harness.cli.verb_outcome import JSON, Outcome
from harness.core.error_text import clipped, mask_errors, printable, stack
from harness.core.errors import (
    FileNotUsable,
    FolderNotWritable,
    UserError,
    sentence,
)
from harness.core.walk import walk_printed
from harness.runtime.closed_pipe import lost_output, tolerate_closed_pipes
from harness.runtime.garbage_collection import collect_rarely
from harness.runtime.secret_values import Secrets
from harness.runtime.user_exit import CodeExited, exit_status, limit_wait
from harness.runtime.user_project import enter

VERBS = (
    *("add", "check", "clean", "compare", "evaluate", "export", "ls", "mcp", "new", "predict"),
    *("register", "report", "rerun", "schema", "serve", "stop", "sync", "ui", "unseal", "watch", "why"),
)

_TRAINING_VERBS = ("evaluate", "rerun", "unseal")
"""An `OSError` of these may come from any part of a run, so its traceback is printed."""


_LONGEST_MESSAGE = 10_000


def main() -> None:
    """The console script and `python -m harness`."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A script's shell starts `command &` with SIGINT ignored. Training listens to SIGINT all the same;
        # so do sweeps and their workers from here on, and Ctrl-C of the script ends them with a checkpoint.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    collect_rarely()
    tolerate_closed_pipes()
    status = execute(sys.argv[1:])
    lost = lost_output()
    if lost is not None:
        print(f"error: {lost}", file=sys.stderr)
        status = status or 1
    limit_wait(status)
    sys.exit(status)


def execute(words: list[str]) -> int:
    """Runs one command line and returns its exit status; every error is printed here, as one sentence."""
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra raises instead of printing and leaving with 1
    # Set before torch is imported: its idle threads then sleep instead of spinning. On a machine that does
    # anything else besides, spinning makes the small steps of small networks up to a hundred times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    if _several():
        from harness.runtime.torchrun import run_in_group

        return run_in_group(_answer, words)
    return _answer(words)


def _several() -> bool:
    """Whether torchrun has started this process together with others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def _answer(words: list[str]) -> int:
    as_json = JSON in words
    words = [word for word in words if word != JSON]
    task = Task(words)

    def act(what: Callable[[], Outcome]) -> Outcome:
        try:
            return what()
        except SystemExit as left:
            status = exit_status(left)
            return _tell(CodeExited.by(left), task) if status is None else Outcome(status=status)
        except BaseException as error:
            return _tell(error, task)

    if as_json:
        from harness.cli.json_answer import answer, text_on_stderr

        outcome = answer(lambda: act(lambda: _carry_out(words, task)), lambda: task.command)
    else:
        outcome = act(lambda: _carry_out(words, task))
    if outcome.then is not None:
        with text_on_stderr() if as_json else nullcontext():
            return act(lambda: _become(outcome)).status
    return outcome.status


def _carry_out(words: list[str], task: Task) -> Outcome:
    enter()
    if words == ["--version"]:
        from importlib.metadata import version

        print(f"harness {version('harness')}, Hydra {version('hydra-core')}")
        return Outcome()
    if _names_verb(words):
        if _several():
            raise UserError(f"torchrun starts trainings, and {words[0]} is none", "type it without torchrun")
        return verb(words[0], words[1:])
    with _fate():
        experiment(words, task)
    return task.outcome


def _become(outcome: Outcome) -> Outcome:
    if outcome.then is not None:
        outcome.then()
    return outcome


def _names_verb(words: list[str]) -> bool:
    return bool(words and re.fullmatch("[a-z]+", words[0]))


def _command(words: list[str]) -> str:
    """The name of a command in its JSON object."""
    if words and words[0] in VERBS:
        return words[0]
    return "sweep" if {"-m", "--multirun"}.intersection(words) else "run"


def _fate() -> AbstractContextManager[None]:
    """Returns a context in which, under torchrun, the error of one process becomes that of all."""
    if not _several():
        return nullcontext()
    from harness.runtime.torchrun import shared_failure

    return shared_failure()


def verb(name: str, words: list[str]) -> Outcome:
    """Runs `harness/cli/<name>.py`.

    Raises:
        UserError: there is no such verb.
    """
    if name not in VERBS:
        from harness.cli.unknown_verb import unknown_verb

        raise unknown_verb(name, VERBS)
    main_of_verb: Callable[[list[str]], Outcome] = import_module(f"harness.cli.{name}").main
    try:
        return main_of_verb(words)
    except OSError as error:
        if error.filename and name not in _TRAINING_VERBS:
            raise FileNotUsable(str(error.filename), str(error.strerror)) from error
        raise


def experiment(words: list[str], task: Task) -> None:
    """One run, or a multirun with `-m`; Hydra's other options as well.

    Raises:
        UserError: as `read_command`, or from the run.
        FolderNotWritable: the run's folder cannot be made.
    """
    from hydra.core.hydra_config import HydraConfig

    from harness.config.hydra_command import read_command
    from harness.data.cache.command_scope import command

    called = read_command(words)
    task.typed = called.typed
    before = HydraConfig.instance().cfg
    try:
        with command(many=called.multirun or _several(), token=_token()):
            called.run(task)
    except OSError as error:
        # Hydra makes the folder before it calls the task.
        if error.filename and not task.begun:
            raise FolderNotWritable(str(error.filename), str(error.strerror)) from error
        raise
    except ValueError as error:
        # Hydra refuses some options with a bare ValueError, before it calls the task.
        if not (task.begun or called.multirun or isinstance(error, OmegaConfBaseException)):
            raise UserError(sentence(str(error))) from error
        raise
    finally:
        HydraConfig.instance().cfg = before  # a multirun leaves its own behind
    if task.error is not None:
        raise task.error


def _token() -> str | None:
    """Returns the cache's identifier of this command, the same in all processes of torchrun."""
    if not _several():
        return None
    from harness.runtime.process_group import broadcast

    return broadcast(secrets.token_hex(8))


class Task:
    """The function that Hydra calls for every job: runs it with the job's folder and overrides.

    typed    the overrides as typed, for the sweeper: those that Hydra hands it hold the choices of `auto` too
    begun    whether Hydra has made the folder and called this
    error    of a single run; raised here, Hydra would print a line of its own about it
    outcome  of a run or sweep that has ended
    command  its name in the JSON object of `--json`
    """

    def __init__(self, words: list[str]) -> None:
        self.words = words
        self._keep(Secrets(None, words))
        self.error: Exception | None = None
        self.outcome = Outcome()
        self.command = _command(words)
        self.typed: Any = None  # `Overrides`, whose parser a verb such as `ls` need not import
        self.begun = False

    def __call__(self, cfg: DictConfig) -> float | None:
        self.begun = True
        from hydra.core.hydra_config import HydraConfig
        from hydra.types import RunMode

        from harness.run import run
        from harness.runs.new_folder import check_run_folder
        from harness.runs.outputs import Outputs
        from harness.runtime.provenance import command

        hydra_cfg = HydraConfig.get()
        folder = Path(hydra_cfg.runtime.output_dir)
        # `hydra.job.chdir=true` has changed it; relative paths mean the folder of the command all the same.
        os.chdir(hydra_cfg.runtime.cwd)
        many = hydra_cfg.mode == RunMode.MULTIRUN
        words = list(hydra_cfg.overrides.task) if many else self.words
        try:
            if not many and not hydra_cfg.run.dir.strip():
                remedy = "give hydra.run.dir=FOLDER, or leave it out"
                raise UserError("hydra.run.dir must not be empty", remedy, key="hydra.run.dir")
            if _several():
                _follow(cfg)
            if not many and os.environ.get("RANK", "0") == "0":
                hydra_files = (str(hydra_cfg.output_subdir), f"{hydra_cfg.job.name}.log")
                check_run_folder(folder, resumes=cfg.resume.run is not None, besides=hydra_files)
            self._keep(Secrets(cfg, self.words))
            self._mask(folder, hydra_cfg.output_subdir)
            typed = command([self.secrets.text(word) for word in words])
            chosen = any(word.startswith("hydra.run.dir=") for word in hydra_cfg.overrides.hydra)
            with walk_printed(cfg.harness.walk):
                result = run(cfg, folder, command=typed, chosen=chosen and not many)
            self.ended(Outputs(Path(cfg.outputs)).folder_of(result, folder), result)
        except Exception as error:
            if many:
                raise
            self.error = error
            return None
        finally:
            discard(folder)
        objective = result.objective
        return None if objective is None else objective["value"]

    def ended(self, folder: Path, result: Any) -> None:
        """Keeps the result of a run or sweep, a dataclass."""
        self.outcome = Outcome.of(folder, result)
        self.command = "sweep" if "trials" in vars(result) else "run"

    def _keep(self, secrets: Secrets) -> None:
        self.secrets = secrets
        mask_errors(secrets.text)

    def _mask(self, folder: Path, subdir: str | None) -> None:
        """Masks the secrets in the files that Hydra has written."""
        for file in (folder / subdir).glob("*.yaml") if subdir is not None else ():
            file.write_text(self.secrets.text(file.read_text(encoding="utf-8")), encoding="utf-8")


def _follow(cfg: DictConfig) -> None:
    """Of the processes of torchrun, only rank 0 uploads to MLflow."""
    from omegaconf import OmegaConf

    from harness.runtime.process_group import rank

    if rank() > 0:
        OmegaConf.update(cfg, "tracking", {"_target_": "harness.tracking.none.Untracked"}, merge=False)


def discard(folder: Path) -> None:
    """Removes the folders that Hydra made for a run that never started, or resumed in another folder.

    Only empty ones, the run's own and two above, and never the current folder.
    """
    here = Path.cwd()
    for empty in (folder, *list(folder.parents)[:2]):
        if here.is_relative_to(empty):
            return
        try:
            empty.rmdir()
        except OSError:
            return


def _tell(error: BaseException, task: Task) -> Outcome:
    from harness.cli.json_answer import failure
    from harness.config.error_messages import as_user_error, explain

    words, secrets = task.words, task.secrets
    status, sentence, trace = explain(error, words)
    facts = secrets.texts(failure(error, as_user_error(error, words), sentence, task.command))
    facts = {name: text and clipped(printable(text), _LONGEST_MESSAGE) for name, text in facts.items()}
    outcome = Outcome(task.outcome.result, status, facts)
    if _several() and sentence:
        from harness.runtime.torchrun import error_prefix

        prefix = error_prefix(status, secrets.text(sentence))
        if prefix is None:
            return outcome
        sentence = f"{prefix}{sentence}"
    wanted = any(re.fullmatch(r"\+*harness\.traceback=true", word, re.IGNORECASE) for word in words)
    if trace or wanted:
        _print_error(stack(error, secrets.text))
    if sentence:
        _print_error(f"{clipped(printable(secrets.text(sentence)), _LONGEST_MESSAGE)}\n")
    return outcome


def _print_error(text: str) -> None:
    with suppress(OSError, ValueError):  # a part's code may have closed the stream
        sys.stderr.write(text)
        sys.stderr.flush()


if __name__ == "__main__":
    main()
