"""The overrides in `pretrain.words`: which there may be, and what they compose."""

from __future__ import annotations

import shlex
from typing import Any

from hydra.errors import HydraException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from harness.config.choice_files import choices, is_group
from harness.config.compose import compose_exactly
from harness.config.overrides import Overrides
from harness.config.text_values import texts_quoted
from harness.core.errors import UnknownChoice, UserError
from harness.core.override_text import OverrideText

KEY = "pretrain.words"

PARTS = ("trainer", "evaluate", "data.augment", "data.load")
"""What a pre-training may have of its own; data, split, model and seed are the run's."""


def parse(words: str) -> Overrides:
    """The overrides one by one, the value of a text as typed.

    The types are those of the parts chosen: a class that a word names is not imported. They are composed,
    which a running Hydra does not allow.

    Raises:
        UserError: a quote is left open, no trainer is chosen, a choice does not exist, or a word sets what is
            the run's.
    """
    try:
        typed = shlex.split(words)
        overrides = Overrides.parse(texts_quoted(typed, lambda: _chosen(typed)))
    except (ValueError, OverrideParseException) as error:
        raise UserError(
            f"pretrain.words must be words of the command line, and {words!r} is not "
            f"({str(error).splitlines()[0]})",
            key=KEY,
        ) from error
    for override in overrides:
        word, key = override.input_line, override.key_or_group.replace("/", ".")
        if "=" not in str(word) or not any(f"{key}.".startswith(f"{part}.") for part in PARTS):
            raise UserError(
                f"pretrain.words may set {', '.join(PARTS)}, since data, split, model and seed are the "
                f"run's own, got {word!r}",
                "give it to the command itself",
                key=KEY,
            )
    if not any(override.key_or_group == "trainer" for override in overrides):
        raise UserError(
            f"pretrain.words must choose a trainer, got {words!r}",
            "add trainer=contrastive, for example",
            key=KEY,
        )
    overrides.check_choices()
    return overrides


def _chosen(words: list[str]) -> DictConfig:
    groups = Overrides.parse(word for word in words if is_group(OverrideText.split(word).key))
    _check_choices(groups)
    return compose_exactly(groups.texts)


def _check_choices(overrides: Overrides) -> None:
    """Raises UserError: a choice is none of ours and of the user's project."""
    overrides.check_choices()
    for override in overrides:
        group = override.key_or_group
        if is_group(group) and not override.is_delete() and str(override.value()) not in choices(group):
            raise UnknownChoice(group, str(override.value()), choices(group))


def composed(words: str) -> dict[str, Any]:
    """What words from elsewhere compose, unresolved, so that it can be checked; nothing is built.

    Raises:
        UserError: as `parse`, a choice is none of ours and of the user's project, or a key does not exist.
    """
    overrides = parse(words)
    _check_choices(overrides)
    try:
        cfg = compose_exactly(overrides.texts)
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(f"it cannot be composed ({str(error).splitlines()[0]})", key=KEY) from error
    parts = {part: OmegaConf.select(cfg, part) for part in PARTS}
    return {
        part: OmegaConf.to_container(node, resolve=False) if OmegaConf.is_config(node) else node
        for part, node in parts.items()
    }
