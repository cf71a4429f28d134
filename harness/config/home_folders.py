"""`~` in the settings of folders, whether they are typed or in a yaml file."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from harness.core.user_path import user_path

FOLDERS = ("outputs", "data.cache.folder", "hydra.run.dir", "hydra.sweep.dir")
"""Folders that a command makes."""


def expand_home(cfg: DictConfig) -> None:
    """Replaces a leading `~` by the home folder in a composed configuration with Hydra's node."""
    for key in FOLDERS:
        place, _, name = key.rpartition(".")
        node = OmegaConf.select(cfg, place) if place else cfg
        if not isinstance(node, DictConfig):  # `data.cache=off`
            continue
        plain: Any = OmegaConf.to_container(OmegaConf.masked_copy(node, name), resolve=False)
        value = plain.get(name)
        if isinstance(value, str) and value.startswith("~"):
            with read_write(node), open_dict(node):
                node[name] = str(user_path(value))
