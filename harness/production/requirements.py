"""Requirements: what must be installed, or brought along, for a bundle to run elsewhere."""

from __future__ import annotations

import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from harness.node import packages

_ALWAYS = (
    "mlflow",
    "torch",
    "numpy",
    "pandas",
    "safetensors",
    "hydra-core",
    "omegaconf",
    "typeguard",
    "scikit-learn",
    "skops",
)
_WHERE_USED = {"pytorch_metric_learning": "pytorch-metric-learning", "timm": "timm", "PIL": "pillow"}
_BROUGHT = {"harness", "torch", "builtins"}


def pins(config: dict[str, Any]) -> list[str]:
    """`name==version` of each distribution that loading the bundle imports, as installed here."""
    names = {*_ALWAYS, *(name for module, name in _WHERE_USED.items() if module in sys.modules)}
    foreign = {top for top in _tops(config) if _installed(top)}
    if foreign:
        names.update(map(_owner, foreign))
    return [pin for name in sorted(names) if (pin := _pin(name)) is not None]


def code(config: dict[str, Any]) -> list[str]:
    """The files or folders of the user's own modules, which no index holds: they are carried along."""
    found = (_path(top) for top in sorted(_tops(config)) if not _installed(top))
    return [str(path) for path in found if path is not None]


def _tops(config: dict[str, Any]) -> set[str]:
    """The top-level packages that the parts of a bundle are built from."""
    parts = [config.get("model"), config.get("data", {}).get("transform"), config.get("trainer")]
    return packages(parts) - _BROUGHT


def _path(top: str) -> Path | None:
    module = sys.modules.get(top)
    if module is None:
        return None
    if module.__file__ is None:  # a package without __init__.py
        return next((Path(place) for place in module.__path__), None)
    file = Path(module.__file__).resolve()
    return file.parent if file.name == "__init__.py" else file


def _installed(top: str) -> bool:
    path = _path(top)
    return path is not None and bool({"site-packages", "dist-packages"} & set(path.parts))


@cache  # by the package, because a notebook may install one and import it between two runs
def _owner(top: str) -> str:
    return packages_distributions()[top][0]


@cache
def _pin(name: str) -> str | None:
    try:
        # `+cpu` and the like name a build that no index lists under this number.
        return f"{name}=={version(name).partition('+')[0]}"
    except PackageNotFoundError:
        return None
