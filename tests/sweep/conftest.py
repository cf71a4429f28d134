"""A search space, as a command line and `sweep.space` say it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra.core.plugins import Plugins

from harness.config.choice_files import CONF
from harness.config.overrides import Overrides
from harness.sweep.space.override_grammar import Grammar
from harness.sweep.space.read_space import read_space
from harness.sweep.space.search_space import Space


@pytest.fixture(scope="session")
def space() -> Callable[..., Space]:
    """`space("model=mlp,vit", seed="1,2")` reads those words, and that as `sweep.space`."""
    Plugins.instance()  # who reads which kind of place
    path = ConfigSearchPathImpl()
    path.append("main", str(CONF))
    loader = ConfigLoaderImpl(path)

    def read(*words: str, **more: Any) -> Space:
        grammar = Grammar(loader)
        return read_space(Overrides(tuple(map(grammar.parse, words))), more, loader)

    return read
