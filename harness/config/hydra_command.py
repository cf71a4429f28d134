"""Runs Hydra's command line with the choices of `auto` replaced."""

from __future__ import annotations

import os
import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.types import Override

from harness.config import kept_yaml
from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONF, config_dir
from harness.config.compose import (
    compose_multirun,
    compose_to_read,
    compose_with_hydra,
    register_resolvers,
)
from harness.config.home_folders import expand_home
from harness.config.overrides import Overrides, as_texts, normalised
from harness.config.text_values import read_overrides
from harness.config.unread_settings import refuse_unread
from harness.core.errors import UserError
from harness.core.override_text import OverrideText
from harness.runs.new_folder import check_run_folder, empty_removed
from harness.runtime.secret_values import Secrets

_MULTIRUN = {"-m", "--multirun"}


@dataclass(frozen=True)
class HydraCommand:
    """A command line in Hydra's grammar.

    words      as Hydra takes them: options and overrides as typed, `auto` replaced by choices
    typed      the overrides as typed; none where Hydra only prints its help
    multirun   whether it has -m
    plain      whether it has no option except -m
    folder     of `--config-dir`
    prints     whether Hydra only prints the configuration, or what it knows of it
    """

    words: tuple[str, ...]
    typed: Overrides
    multirun: bool
    plain: bool = False
    folder: str | None = None
    prints: bool = False

    def run(self, task: Callable[[Any], Any]) -> None:
        """Lets Hydra run the task, or whatever its options ask for.

        Raises:
            SystemExit: Hydra has printed the output of an option.
        """
        import hydra

        overrides = [word for word in self.words if word not in _MULTIRUN]
        with config_dir(self.folder):
            if self.plain and self.multirun:
                _run_many(Overrides.parse(overrides), task)
            elif not (self.plain and _run_once(overrides, task)):
                kept_yaml.install()
                masked = _masked_output(self.words) if self.prints else nullcontext()
                with _command_line(self.words), masked:
                    hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()


def read_command(words: list[str]) -> HydraCommand:
    """Parses a command line and replaces `auto` by choices.

    In a multirun these are the choices of its first run, which Hydra needs to compose what all runs share;
    each run makes its own choices.

    Raises:
        UserError: an option is unknown, a group has several choices, or a run is given settings of a sweep.
        hydra.errors.HydraException: a choice or key does not exist, or an override is not in the grammar.
    """
    register_resolvers()
    folder, words = _take_config_dir([normalised(word) for word in words])
    options, given = _parse_options(words)
    if options.help or options.hydra_help or options.shell_completion:
        return HydraCommand(tuple(words), Overrides(), False, folder=folder)
    _check_modes(options)
    with config_dir(folder):
        typed = read_overrides(options.overrides, compose_to_read, bool(options.multirun))
    if not (options.multirun or options.cfg):
        _refuse_sweep(typed)
    with config_dir(folder):
        typed.check_choices()
        chosen = choose_parts(typed.first_values() if options.multirun else typed, compose_to_read)
    # Lists of values without -m: `hydra.mode` may say MULTIRUN, which Hydra finds out.
    several = not options.multirun and any(map(Override.is_sweep_override, typed))
    plain = set(given) <= _MULTIRUN and not several
    # Overrides first: `--info` would take the next word for its value.
    words = [*typed.texts, *as_texts(chosen), *given]
    prints = bool(options.cfg or options.info)
    return HydraCommand(tuple(words), typed, bool(options.multirun), plain, folder, prints)


@contextmanager
def _masked_output(words: Sequence[str]) -> Iterator[None]:
    """Masks typed secrets, such as a header, in what is printed: it may be copied to others."""
    printed = StringIO()
    try:
        with redirect_stdout(printed):
            yield
    finally:
        text = Secrets(None, list(words)).text(printed.getvalue())
        # Without quotes a star is a reference in yaml.
        sys.stdout.write(re.sub(r"(?m)(?<=: |- )\*\*\*$", "'***'", text))


def _take_config_dir(words: list[str]) -> tuple[str | None, list[str]]:
    """The folder of `--config-dir`, and the other words."""
    parser: Any = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.error = _refuse_option
    parser.add_argument("--config-dir", "-cd")
    options, others = parser.parse_known_args(words)
    return options.config_dir, others


def _parse_options(words: list[str]) -> tuple[Namespace, list[str]]:
    """Hydra's options, which may stand anywhere between the overrides, and the words that give them.

    Raises:
        UserError: there is no such option.
    """
    from hydra._internal.utils import get_args_parser

    parser: Any = get_args_parser()
    parser.error = _refuse_option
    options, unknown = parser.parse_known_intermixed_args(words)
    if unknown:
        _refuse_unknown(unknown[0])
    given = [*words]
    for override in reversed(options.overrides):
        del given[len(given) - 1 - given[::-1].index(override)]
    return options, given


def _run_once(overrides: list[str], task: Callable[[Any], Any]) -> bool:
    """Runs the task as `hydra.main` does, which would compose twice: once to find out `hydra.mode`.

    Returns:
        False: a yaml file says that this is a multirun, so nothing was done.

    Raises:
        UserError: nothing reads a setting.
        FolderTaken: `hydra.run.dir` contains files of something else; Hydra would write among them.
    """
    import hydra
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.utils import configure_log, run_job
    from hydra.types import HydraContext, RunMode

    cfg = compose_with_hydra(overrides)
    if cfg.hydra.mode == RunMode.MULTIRUN:
        return False
    refuse_unread(cfg)
    expand_home(cfg)
    if cfg.hydra.run.dir.strip() and os.environ.get("RANK", "0") == "0":
        check_run_folder(Path(cfg.hydra.run.dir), resumes=cfg.resume.run is not None)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
        cfg.hydra.mode = RunMode.RUN
        callbacks = Callbacks(cfg)
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        callbacks.on_run_start(config=cfg, config_name="config")
        with empty_removed(Path(cfg.hydra.run.dir)):
            ended = run_job(task, cfg, "hydra.run.dir", None, context)
        callbacks.on_run_end(config=cfg, config_name="config", job_return=ended)
        _ = ended.return_value  # raises what the task raised
    return True


def _run_many(overrides: Overrides, task: Callable[[Any], Any]) -> None:
    """Starts the multirun as `hydra.main` does, which would compose twice as well."""
    import hydra
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.plugins import Plugins
    from hydra.core.utils import configure_log
    from hydra.types import HydraContext

    cfg = compose_multirun(overrides)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
        callbacks = Callbacks(cfg)
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        callbacks.on_multirun_start(config=cfg, config_name="config")
        made = Plugins.instance().instantiate_sweeper(hydra_context=context, task_function=task, config=cfg)
        made.sweep(arguments=list(cfg.hydra.overrides.task))
        callbacks.on_multirun_end(config=cfg, config_name="config")


@contextmanager
def _command_line(words: tuple[str, ...]) -> Iterator[None]:
    """Within this context, `sys.argv` has this command line.

    `hydra.main` reads it from `sys.argv` and has no argument for it. This is the only place that sets
    `sys.argv`, and it restores it.
    """
    before = sys.argv
    sys.argv = [before[0], *words]
    try:
        yield
    finally:
        sys.argv = before


def _refuse_option(message: str) -> NoReturn:
    raise UserError(message, "`python -m harness --hydra-help` lists the options")


def _refuse_unknown(word: str) -> NoReturn:
    key = OverrideText.split(word.lstrip("-")).key
    if "=" in word:
        raise UserError(f"{word} is no option", f"a setting has no dashes: {word.lstrip('-')}", key=key)
    _refuse_option(f"{word} is no option")


def _check_modes(options: Namespace) -> None:
    """Refuses two options of which each says what to do, such as -m and --cfg."""
    names = [name for name in ("run", "multirun", "cfg", "info") if getattr(options, name)]
    if len(names) > 1:
        given = " and ".join(f"--{name}" for name in names)
        raise UserError(f"only one of --run, --multirun, --cfg and --info can be given, got {given}")


def _refuse_sweep(typed: Overrides) -> None:
    """Refuses settings of a sweep, which a single run would ignore."""
    for override in typed:
        if not override.is_delete() and re.match("sweep([./]|$)", override.key_or_group):
            raise UserError(
                f"{override.input_line} is about a sweep of many trials, and this is one run",
                "type -m before it",
                key=override.key_or_group,
            )
