"""The sweeps that follow an earlier one: `sweep.extend` and `sweep.ablate`."""

from __future__ import annotations

from collections.abc import Sequence

from omegaconf import DictConfig, open_dict

from harness.sweep.control.ablate_sweep import Ablation, find_ablation
from harness.sweep.control.extend_sweep import Extension, find_extension
from harness.sweep.preflight.sweep_preview import Followed
from harness.sweep.study.prepare_study import check_defaults
from harness.sweep.study.sweep_settings import SweepSettings


def find_follow_up(
    config: DictConfig, words: Sequence[str], settings: SweepSettings
) -> Extension | Ablation | None:
    """What the sweep of these words does with an earlier one; None where it is a sweep of its own.

    Args:
        words: what was typed.

    Raises:
        UserError: there is no such sweep, or it cannot be followed.
    """
    found: Extension | Ablation | None = None
    if settings.extend is not None:
        found = find_extension(config, words, settings.extend)
    elif settings.ablate:
        found = find_ablation(config, words)
    if found is not None:
        check_defaults(found.earlier, config.hydra.runtime.choices)
    return found


def follow(config: DictConfig, words: Sequence[str], settings: SweepSettings) -> Followed:
    """The configuration of the sweep, and what the user must know of the one that it follows.

    Raises:
        UserError: as `find_follow_up`.
    """
    found = find_follow_up(config, words, settings)
    if found is None:
        return Followed(config)
    check = found.require_longer if isinstance(found, Extension) else None
    return Followed(without_resume(config), tuple(found.notes(config.trainer)), check)


def without_resume(config: DictConfig) -> DictConfig:
    """The configuration of a sweep that follows another one, which `resume` names."""
    config = config.copy()
    with open_dict(config):
        config.resume.run = None
    return config
