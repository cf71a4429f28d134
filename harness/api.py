"""Python access: `from harness import compose, run`, in a notebook or a program.

    run("model=mlp", "trainer.epochs=2")          what `python -m harness model=mlp trainer.epochs=2` does
    run(compose(["model=mlp"]), "outputs/mine")   the same in two steps, in a folder of one's own
    sweep("seed=1,2", "model=mlp")                what `python -m harness -m seed=1,2 model=mlp` does
    compare("last", "outputs/mine")               what `python -m harness compare` does

What they return has tables of pandas and is shown as a table in a notebook, see `harness.notebook`. Its
classes `Run`, `Sweep` and `Compared` are names of this module too.

Importing it imports Hydra, which `compose` needs, and neither pandas nor Optuna nor torch.

Whatever is wrong is a `UserError` of one sentence, Hydra's own complaints included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.choice_files import CONF
from harness.config.compose import compose as compose_run
from harness.config.compose import register_resolvers
from harness.core.errors import UserError
from harness.core.typed_override import quoted
from harness.runs.new_folder import check_run_folder
from harness.runtime.config_nodes import load_config

if TYPE_CHECKING:
    from harness.notebook.comparison_view import Compared as Compared
    from harness.notebook.run_view import Run as Run
    from harness.notebook.sweep_view import Sweep as Sweep

_VIEWS = {
    "Compared": "harness.notebook.comparison_view",
    "Run": "harness.notebook.run_view",
    "Sweep": "harness.notebook.sweep_view",
}
"""The classes of what is returned, and their modules, which import pandas and Optuna."""


def __getattr__(name: str) -> Any:
    """Imports a class of `_VIEWS` when it is used (PEP 562)."""
    if name not in _VIEWS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_VIEWS[name]), name)


def compose(overrides: Sequence[str] | str = ()) -> DictConfig:
    """The configuration that `python -m harness OVERRIDES` would run.

    Args:
        overrides: words of the command line, such as `["model=mlp", "seed=1"]`, or a single one.

    Raises:
        UserError: a choice or a key does not exist, or a group is given several choices.
    """
    words = [overrides] if isinstance(overrides, str) else list(overrides)
    with _one_sentence(words):
        return compose_run(words)


def run(*what: Any, folder: Path | str | None = None, **more: Any) -> Run:
    """Trains, and returns what `result.json` holds, with tables.

    Args:
        what: words of the command line; or a composed configuration and, behind it, perhaps the folder and
            whatever else `harness.run.run` takes.
        folder: where the run leaves its files; None: a new one below `outputs`, as the command line
            names it.
        more: as `harness.run.run` takes it, such as `consumers`.

    Raises:
        UserError: configuration or data is wrong; nothing is left behind.
        Exception: as `harness.run.run`.
    """
    from harness.notebook.run_view import Run
    from harness.runs.outputs import Outputs

    cfg, words, rest = _composed(what)
    if rest and folder is None:
        folder, *rest = rest
    with _one_sentence(words):
        place = Path(folder) if folder is not None else _new_folder(cfg)
        check_run_folder(place, resumes=cfg.resume.run is not None)
        result = _run(
            cfg, place, *rest, **({"chosen": folder is not None, "command": _command(cfg, words)} | more)
        )
    return Run.of(result, Outputs(Path(cfg.outputs)).folder_of(result, place))


def sweep(*words: Any, folder: Path | str | None = None) -> Sweep:
    """Runs a sweep to its end, and returns what its `result.json` holds, with tables.

    The same words continue a sweep that was stopped.

    Args:
        words: of the command line behind `-m`, or one list of them.
        folder: that of the sweep; None: one below `outputs`, as the command line names it.

    Raises:
        UserError: as `run`; no trial was started.
        Interrupted: a signal stopped it.
        Unfinished: no trial is complete, or a trial of a grid failed; the folder has the rest.
    """
    from hydra.core.hydra_config import HydraConfig

    from harness.config.hydra_command import read_command
    from harness.data.cache.command_scope import command

    given = _words("sweep", words, "hydra.sweep.dir")
    if folder is not None:
        given.append(f"hydra.sweep.dir={quoted(str(folder))}")
    before = HydraConfig.instance().cfg
    try:
        with _one_sentence(given):
            called = read_command(["-m", *given])
            task = _SweepTask(called.typed)
            with command(many=True):
                called.run(task)
    finally:
        HydraConfig.instance().cfg = before
    return task.result()


class _SweepTask:
    """What Hydra is given to call for each job; the sweeper calls none of it, and reports its result here.

    typed  the overrides, see `harness.__main__.Task`
    """

    def __init__(self, typed: Any) -> None:
        self.typed = typed
        self._ended: tuple[Path, Any] | None = None

    def __call__(self, cfg: DictConfig) -> None:
        raise UserError("sweep takes a sweep of harness", "leave out hydra/sweeper", key="hydra/sweeper")

    def ended(self, folder: Path, result: Any) -> None:
        """Keeps the result of the sweep."""
        self._ended = folder, result

    def result(self) -> Sweep:
        """The sweep that has ended."""
        from harness.notebook.sweep_view import Sweep

        assert self._ended is not None
        folder, result = self._ended
        return Sweep.of(result, folder)


def compare(
    *names: str, by: str | None = None, each: bool = False, outputs: Path | str = "outputs"
) -> Compared:
    """Ranks runs by a score and tests them against the best.

    Args:
        names: runs, sweeps or experiments; none: all single runs.
        by: the score; None: the test score of what was monitored.
        each: a row per run, also where only the seed differs.
        outputs: where the runs are.

    Raises:
        UserError: there is no such run or score, or nothing to compare.
    """
    from harness.compare.compare_runs import compare as compare_runs
    from harness.notebook.comparison_view import Compared

    return Compared.of(compare_runs(names, Path(outputs), by=by, each=each))


def _run(*values: Any, **keywords: Any) -> Any:
    from harness.run import run  # imports torch

    return run(*values, **keywords)


def _composed(what: tuple[Any, ...]) -> tuple[DictConfig, list[str], list[Any]]:
    """The configuration, the words it was composed of, and what came behind it."""
    if what and isinstance(what[0], DictConfig):
        return what[0], [], list(what[1:])
    words = _words("run", what, "hydra.")
    return compose(words), words, []


def _words(name: str, what: tuple[Any, ...], own: str) -> list[str]:
    """The words of a call, which may be given as one list.

    Args:
        name: the function.
        own: how the words begin that only the command line takes.
    """
    if len(what) == 1 and isinstance(what[0], list | tuple):
        what = tuple(what[0])
    for word in what:
        if not isinstance(word, str):
            takes = "a configuration that compose made, or " if name == "run" else ""
            raise UserError(
                f"{name} takes {takes}words of the command line such as 'model=mlp', got "
                f"{type(word).__name__} {word!r}",
                "write run(compose([...]))" if name == "run" else 'write sweep("model=mlp", "seed=1,2")',
            )
        if word.startswith(own):
            remedy = f"from Python, the folder is {name}(…, folder=FOLDER)"
            raise UserError(f"{word} is the command line's", remedy)
        if word.startswith("-"):
            raise UserError(f"{word} is an option of the command line", "give overrides only")
    return list(what)


def _new_folder(cfg: DictConfig) -> Path:
    """As `hydra.run.dir` of conf/config.yaml says it."""
    setup_globals()
    register_resolvers()
    pattern: Any = OmegaConf.to_container(load_config(CONF / "config.yaml"))
    # Made anew each time: a resolver's answer is kept with the configuration.
    named = OmegaConf.create({"outputs": cfg.outputs, "folder": pattern["hydra"]["run"]["dir"]})
    return Path(str(named.folder))


def _command(cfg: DictConfig, words: list[str]) -> str:
    from harness.runtime.provenance import command
    from harness.runtime.secret_values import Secrets

    secrets = Secrets(cfg, words)
    return command([secrets.text(word) for word in words]) if words else ""


@contextmanager
def _one_sentence(words: list[str]) -> Iterator[None]:
    try:
        yield
    except (HydraException, OmegaConfBaseException) as error:
        from harness.config.error_messages import translated

        raise translated(error, words) from None
