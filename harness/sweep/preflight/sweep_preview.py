"""Describes what a multirun would do, without running it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import hydra
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from harness.config.auto_choices import choose_parts
from harness.config.choice_files import CONF
from harness.config.compose import compose_multirun, compose_to_read
from harness.config.text_values import read_overrides
from harness.console.text_format import duration
from harness.data.cache.command_scope import command
from harness.runtime.secret_values import Secrets
from harness.sweep.preflight.preflight import Preflight, run_preflight
from harness.sweep.preflight.tried_points import without_hydra
from harness.sweep.space.read_space import check_swept, read_space
from harness.sweep.space.search_space import Space
from harness.sweep.study.prepare_study import check_defaults, check_stored, stored_earlier
from harness.sweep.study.storage_address import read_address
from harness.sweep.study.sweep_location import find_location, sweep_state
from harness.sweep.study.sweep_settings import SweepSettings, read_settings
from harness.sweep.worker.trial_config import TrialComposer


class Followed(NamedTuple):
    """What a sweep takes from the earlier one that it follows.

    config        of the sweep
    notes         what the user must know
    check_epochs  raises UserError where so many epochs are too few; None: any number will do
    """

    config: DictConfig
    notes: tuple[str, ...] = ()
    check_epochs: Callable[[int | None], None] | None = None


Follow = Callable[[DictConfig, Sequence[str], SweepSettings], Followed]

_WIDEST = 60
"""Characters of a list of values; a longer one is cut."""

_STANDING = {"begin": "new", "continue": "goes on", "join": "is running, and is joined"}


def preview(words: Sequence[str], follow: Follow) -> list[str]:
    """The lines that describe the multirun of these words, once a sample of its space was tried.

    Args:
        follow: finds the earlier sweep that this one follows.

    Raises:
        UserError: what the multirun would refuse.
        HydraException: a choice or a key does not exist.
    """
    overrides = read_overrides(words, compose_to_read, many=True)
    whole = overrides.with_choices(choose_parts(overrides.first_values(), compose_to_read))
    typed = overrides.of_the_task()
    check_swept(overrides)
    cfg = compose_multirun(whole)
    with hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="harness"):
        loader: ConfigLoader = GlobalHydra.instance().config_loader()
        settings = read_settings(cfg.sweep)
        space = read_space(typed, settings.space, loader)
        composer = TrialComposer.of(loader)
    cfg, notes, check_epochs = follow(cfg, typed.texts, settings)
    place = find_location(cfg, typed.texts)
    check_defaults(place, cfg.hydra.runtime.choices)
    stored = stored_earlier(place, space)
    with command(many=True):
        rehearsed = run_preflight(space, composer, settings, lambda text: None, recalls=stored is None)
    if check_epochs is not None:
        check_epochs(rehearsed.epochs)
    earlier = rehearsed.earlier if stored is None else stored
    check_stored(place, space, rehearsed.objectives, settings.lease)
    facts = {
        **_method(cfg),
        "improves": " and ".join(f"{aim.name} ({aim.direction})" for aim in rehearsed.objectives),
        "space": _size(space),
        "budget": _budget(settings, space),
        "workers": f"{settings.workers} by hydra/launcher={cfg.hydra.runtime.choices['hydra/launcher']}",
        "trial": _trial(settings, rehearsed),
        "fuse": rehearsed.slots.line,
        "storage": "a journal in the folder" if place.url is None else read_address(place.url).label,
        "folder": f"{place.folder} ({_STANDING[sweep_state(place, settings.lease)]})",
        "tried": f"{rehearsed.composed} points, {rehearsed.prepared} of them up to the first step",
    }
    secrets = Secrets(without_hydra(cfg), list(words))
    rows = [*facts.items(), *(("earlier", each.sentence) for each in earlier)]
    rows += [("follows", note) for note in notes]
    lines = [f"{name:8}  {text}" for name, text in rows if text]
    where = [name for name, text in facts.items() if text].index("space") + 1
    return [secrets.text(line) for line in (*lines[:where], *_table(space), *lines[where:])]


def _method(cfg: DictConfig) -> dict[str, str]:
    """How the sweep chooses its points, and who stops a trial early."""
    chosen = cfg.hydra.runtime.choices.get("sweep")
    targets: dict[str, Any] = {
        name: OmegaConf.select(cfg, f"sweep.{name}._target_") for name in ("sampler", "pruner")
    }
    names = {name: str(target).rsplit(".", 1)[-1] for name, target in targets.items() if target is not None}
    return {
        "sweep": str(chosen or "grid"),
        "sampler": names.get("sampler", "none: every point in its order"),
        "pruner": names.get("pruner", "none: every trial is trained to its end"),
    }


def _size(space: Space) -> str:
    if not space.dimensions:
        return "one point: no key is swept"
    keys = f"{len(space.dimensions)} key{'s' if len(space.dimensions) > 1 else ''}"
    return keys if space.size is None else f"{keys}, {space.size} points"


def _table(space: Space) -> Iterator[str]:
    """A line per key: its name, its values, and when it is there."""
    rows = [
        (
            dimension.key,
            _cut(dimension.description),
            " and ".join(condition.description for condition in dimension.when),
        )
        for dimension in space.dimensions
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in (0, 1)]
    for key, values, when in rows:
        line = f"{'':10}{key:{widths[0]}}  {values:{widths[1]}}  {f'when {when}' if when else ''}"
        yield line.rstrip()


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 2].rstrip()} …"


def _budget(settings: SweepSettings, space: Space) -> str:
    """When the sweep ends."""
    ends = []
    if settings.trials is not None:
        ends.append(f"{settings.trials} trials")
    elif space.size is not None and (settings.hours, settings.budget, settings.stagnation) == (None,) * 3:
        return f"{space.size} trial{'' if space.size == 1 else 's'}"
    if settings.hours is not None:
        ends.append(duration(3600 * settings.hours))
    if settings.budget is not None:
        ends.append(str(settings.budget))
    if settings.until == "noise":
        ends.append("when only noise is left")
    if settings.stagnation is not None:
        ends.append(f"{settings.stagnation} trials without a better one")
    return " or ".join(ends)


def _trial(settings: SweepSettings, rehearsed: Preflight) -> str:
    """What a trial takes at most."""
    counts = {"epoch": rehearsed.epochs, "fold": rehearsed.folds, "seed": settings.repeat}
    parts = [
        f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count is not None
    ]
    return ", ".join(parts)
