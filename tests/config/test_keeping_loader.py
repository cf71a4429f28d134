from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hydra import initialize_config_dir
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from harness.config import kept_yaml
from harness.config.choice_files import CONF
from harness.config.keeping_loader import KeepingLoader


def path_of(conf: Path) -> Any:
    with initialize_config_dir(str(conf), version_base="1.3"):
        found = GlobalHydra.instance().config_loader().get_search_path()
    path = ConfigSearchPathImpl()
    for entry in found.get_path():
        path.append(entry.provider, entry.path)
    return path


def load(loader: ConfigLoaderImpl, *overrides: str, conf: Path = CONF) -> DictConfig:
    with initialize_config_dir(str(conf), version_base="1.3", job_name="harness"):
        return loader.load_configuration("config", list(overrides), RunMode.RUN, from_shell=False)


def inside(node: Any, parent: Any = None) -> Any:
    """All that a node has: its class, what it knows of itself, and its content in order."""
    assert node._parent is parent
    own = vars(node)
    metadata = dict(vars(node._metadata), flags=node._metadata.flags or None)
    del metadata["resolver_cache"]  # a time that Hydra has looked at, and nobody else
    content = own.get("_content")
    if isinstance(content, dict):
        below: Any = [(key, inside(value, node)) for key, value in content.items()]
    elif isinstance(content, list):
        below = [inside(value, node) for value in content]
    else:
        below = (type(own.get("_val")), own.get("_val"), content)
    return type(node), metadata, below


@pytest.fixture(scope="module")
def loaders() -> tuple[ConfigLoaderImpl, KeepingLoader]:
    kept_yaml.install()
    path = path_of(CONF)
    return ConfigLoaderImpl(path), KeepingLoader(path)


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("trainer=contrastive", "trainer/method=byol", "model=vit", "+tags.idea=wider"),
        ("trainer=contrastive", "trainer/method=moco", "model=vit", "model.depth=2"),
        ("hydra/launcher=basic", "hydra/job_logging=default", "sweep=asha", "~tracking"),
        ("+trainer/optimizer@trainer.other=sgd", "data/extract=csv", "split=nested"),
        ("experiment=supcon_digits", "++hydra.run.dir=x", "hydra.verbose=true"),
        ("trainer=supervised",),
    ],
)
def test_it_composes_what_hydra_does_node_by_node(
    overrides: tuple[str, ...], loaders: tuple[ConfigLoaderImpl, KeepingLoader]
) -> None:
    plain, keeping = (load(loader, *overrides) for loader in loaders)
    assert inside(keeping) == inside(plain)
    # What one caller does with its own is nothing to the next one.
    OmegaConf.set_struct(keeping, False)
    keeping.seed, keeping.trainer.epochs, keeping.hydra.job.name = 7, 7, "mine"
    keeping.hydra.overrides.task.append("mine")
    del keeping["split"]
    assert inside(load(loaders[1], *overrides)) == inside(plain)


def test_an_error_has_hydras_message_each_time(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "config.yaml").write_text("defaults: [_self_, part: good]\npart: {a: [1]}\n")
    (tmp_path / "part" / "good.yaml").write_text("b: 1\n")
    (tmp_path / "part" / "bad.yaml").write_text("a: {c: 1}\n")
    path = path_of(tmp_path)
    keeping = KeepingLoader(path)
    assert load(keeping, conf=tmp_path).part == {"a": [1], "b": 1}
    with pytest.raises(ConfigCompositionException) as plain:
        load(ConfigLoaderImpl(path), "part=bad", conf=tmp_path)
    assert "In 'part/bad'" in str(plain.value)
    for _ in range(2):
        with pytest.raises(ConfigCompositionException, match=re.escape(str(plain.value))):
            load(keeping, "part=bad", conf=tmp_path)
    assert load(keeping, "part=good", conf=tmp_path).part == {"a": [1], "b": 1}
