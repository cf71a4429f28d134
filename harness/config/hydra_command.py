"""Runs Hydra's command line with the choices of `auto` replaced."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.override_parser.types import Override

from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONF
from harness.config.compose import compose_exactly, compose_with_hydra, register_resolvers
from harness.config.overrides import Overrides, as_texts, name_of, normalised
from harness.core.errors import UserError

_MULTIRUN = {"-m", "--multirun"}


@dataclass(frozen=True)
class HydraCommand:
    """A command line in Hydra's grammar.

    words      as Hydra takes them: options and overrides as typed, `auto` replaced by choices
    typed      the overrides as typed; none where Hydra only prints its help
    multirun   whether it has -m
    plain      whether it has no option but -m, and so its overrides alone say what to do
    """

    words: tuple[str, ...]
    typed: Overrides
    multirun: bool
    plain: bool = False

    def run(self, task: Callable[[Any], Any]) -> None:
        """Lets Hydra run the task, or whatever its options ask for.

        Raises:
            SystemExit: Hydra has printed what an option asks for.
        """
        import hydra

        overrides = [word for word in self.words if word not in _MULTIRUN]
        if self.plain and self.multirun:
            _run_many(overrides, task)
        elif not (self.plain and _run_once(overrides, task)):
            with _command_line(self.words):
                hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")(task)()


def read_command(words: list[str]) -> HydraCommand:
    """Parses a command line and replaces `auto` by choices.

    In a multirun these are the choices of its first run, which Hydra needs to compose what all runs share;
    each run makes its own choices.

    Raises:
        UserError: an option is unknown, a group has several choices, or a run is given settings of a sweep.
        hydra.errors.HydraException: a choice or key does not exist, or an override is not in the grammar.
    """
    from hydra._internal.utils import get_args_parser

    register_resolvers()
    words = [normalised(word) for word in words]
    parser: Any = get_args_parser()
    parser.error = _refuse_option
    options = parser.parse_args(words)
    if options.help or options.hydra_help or options.shell_completion:
        return HydraCommand(tuple(words), Overrides(), False)
    _check_modes(options)
    typed = Overrides.parse(options.overrides)
    if not (options.multirun or options.cfg):
        _refuse_sweep(typed)
    typed.check_choices()
    first = typed.first_values() if options.multirun else typed
    made = choose_parts(Overrides((*first, *_config_dir(options))), compose_exactly)
    # Behind the last override and before an option that follows it: argparse takes them in one piece.
    places = [place for place, word in enumerate(words, start=1) if word in options.overrides]
    end = max(places, default=len(words))
    alone = set(words) - set(options.overrides) <= _MULTIRUN and "hydra.mode" not in map(name_of, typed)
    plain = alone and (options.multirun or not any(map(Override.is_sweep_override, typed)))
    return HydraCommand((*words[:end], *as_texts(made), *words[end:]), typed, bool(options.multirun), plain)


def _run_once(overrides: list[str], task: Callable[[Any], Any]) -> bool:
    """Runs the task as `hydra.main` does, which would compose twice: once to find out `hydra.mode`.

    Returns:
        False: a yaml file says that this is a multirun, so nothing was done.
    """
    import hydra
    from hydra._internal.callbacks import Callbacks
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.utils import configure_log, run_job
    from hydra.types import HydraContext, RunMode

    cfg = compose_with_hydra(overrides)
    if cfg.hydra.mode == RunMode.MULTIRUN:
        return False
    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        configure_log(cfg.hydra.hydra_logging, cfg.hydra.verbose)
        cfg.hydra.mode = RunMode.RUN
        callbacks = Callbacks(cfg)
        context = HydraContext(GlobalHydra.instance().config_loader(), callbacks)
        callbacks.on_run_start(config=cfg, config_name="config")
        ended = run_job(task, cfg, "hydra.run.dir", None, context)
        callbacks.on_run_end(config=cfg, config_name="config", job_return=ended)
        _ = ended.return_value  # raises what the task raised
    return True


def _run_many(overrides: list[str], task: Callable[[Any], Any]) -> None:
    """Starts the multirun as `hydra.main` does, which would compose twice as well."""
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        main: Any = GlobalHydra.instance().hydra
        main.multirun("config", task, [*overrides, "hydra.mode=MULTIRUN"])


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


def _config_dir(options: Namespace) -> Overrides:
    """The folder of `--config-dir` as an override, so that its choices are known when `auto` is replaced."""
    if options.config_dir is None:
        return Overrides()
    folder = Path(options.config_dir).absolute()
    if not folder.is_dir():
        rule = f"--config-dir={options.config_dir} is no folder"
        raise UserError(rule, "name one that holds yaml files", key="--config-dir", value=options.config_dir)
    return Overrides.parse([f"hydra.searchpath=[file://{folder}]"])
