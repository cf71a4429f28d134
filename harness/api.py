"""Python access: `from harness import compose, run`, in a notebook or a program.

    run("model=mlp", "trainer.epochs=2")          what `python -m harness model=mlp trainer.epochs=2` does
    run(compose(["model=mlp"]), "outputs/mine")   the same in two steps, in a folder of one's own

Whatever is wrong is a `UserError` of one sentence, Hydra's own complaints included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.utils import setup_globals
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.choice_files import CONF
from harness.config.compose import compose as compose_run
from harness.config.compose import register_resolvers
from harness.core.errors import UserError
from harness.runs.new_folder import check_run_folder
from harness.runs.run_result import Result


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


def run(*what: Any, folder: Path | str | None = None, **more: Any) -> Result:
    """Trains, and returns what `result.json` holds.

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
    cfg, words, rest = _composed(what)
    if rest and folder is None:
        folder, *rest = rest
    with _one_sentence(words):
        place = Path(folder) if folder is not None else _new_folder(cfg)
        check_run_folder(place, resumes=cfg.resume.run is not None)
        return _run(
            cfg, place, *rest, **({"chosen": folder is not None, "command": _command(cfg, words)} | more)
        )


def _run(*values: Any, **keywords: Any) -> Result:
    from harness.run import run  # imports torch

    return run(*values, **keywords)


def _composed(what: tuple[Any, ...]) -> tuple[DictConfig, list[str], list[Any]]:
    """The configuration, the words it was composed of, and what came behind it."""
    if what and isinstance(what[0], DictConfig):
        return what[0], [], list(what[1:])
    if len(what) == 1 and isinstance(what[0], list | tuple):
        what = tuple(what[0])
    for word in what:
        if not isinstance(word, str):
            raise UserError(
                "run takes a configuration that compose made, or words of the command line such as "
                f"'model=mlp', got {type(word).__name__} {word!r}",
                "write run(compose([...]))",
            )
        if word.startswith("hydra."):
            raise UserError(
                f"{word} is the command line's", "from Python, the folder is run(…, folder=FOLDER)"
            )
    return compose(what), list(what), []


def _new_folder(cfg: DictConfig) -> Path:
    """As `hydra.run.dir` of conf/config.yaml says it."""
    setup_globals()
    register_resolvers()
    pattern: Any = OmegaConf.to_container(OmegaConf.load(CONF / "config.yaml"))
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
