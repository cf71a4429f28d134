"""The configuration of a pre-training, composed from the overrides in `pretrain.words`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict

from harness.config.auto_choices import choose_parts
from harness.config.compose import compose_exactly
from harness.config.finish_config import finish
from harness.config.instantiate import check
from harness.config.overrides import Overrides
from harness.config.pretrain_words import PARTS, parse
from harness.core.table import Table


def pretraining(cfg: DictConfig, table: Table) -> tuple[DictConfig, dict[str, str]] | None:
    """The configuration that `pretrain.words` describes, without any `auto`, and the values chosen.

    Data, split, model and seed are those of the run, and so is the device. Trainer, evaluation,
    augmentation and, where a word says so, loader are composed anew from these words alone.

    Raises:
        UserError: a word sets something else, or cannot be understood.
    """
    words = cfg.pretrain.words
    if words is None:
        return None
    kind = OmegaConf.select(cfg, "data.extract.kind")

    def composed(texts: list[str]) -> DictConfig:
        fresh = compose_exactly(texts)
        with open_dict(fresh):
            fresh.data.extract.kind = kind
        return fresh

    with _outside_of_hydra():
        overrides = parse(words)
        chosen = choose_parts(overrides, composed)
        own = {group: name for group, name in chosen.items() if group == "data/augment"}
        fresh = composed(overrides.with_choices(own).texts)
        if not any(override.key_or_group == "trainer.device" for override in overrides):
            fresh.trainer.device = cfg.trainer.device
        grafted = _grafted(cfg, fresh, overrides)
        check(grafted)
        return finish(grafted, table)


def _grafted(cfg: DictConfig, fresh: DictConfig, overrides: Overrides) -> DictConfig:
    """The run's configuration with the parts of the pre-training in the place of its own."""
    grafted = cfg.copy()
    loads = any(re.match("data[./]load", override.key_or_group) for override in overrides)
    with open_dict(grafted):
        for part in PARTS if loads else PARTS[:-1]:
            content: Any = OmegaConf.to_container(OmegaConf.select(fresh, part), resolve=True)
            OmegaConf.update(grafted, part, content, merge=False)
        grafted.pretrain.words = None
        grafted.pretrain.scratch = False
        grafted.production.calibrate = "none"
        grafted.debug = None  # the run's, whose values may refer to those of its trainer
        grafted.name = f"{cfg.name} pre-training"
    return grafted


@contextmanager
def _outside_of_hydra() -> Iterator[None]:
    """Within it, nothing is taken for a choice of the command line: this configuration is another one."""
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig

    config, running = HydraConfig.instance().cfg, GlobalHydra.instance().hydra
    HydraConfig.instance().cfg = None
    GlobalHydra.instance().clear()
    try:
        yield
    finally:
        HydraConfig.instance().cfg = config
        GlobalHydra.instance().hydra = running
