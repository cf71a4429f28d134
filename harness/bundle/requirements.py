"""Requirements of a bundle: packages to install, and the user's own code to copy."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from harness.config.nodes import packages

_ALWAYS = ("mlflow", "torch", "numpy", "pandas", "safetensors", "hydra-core", "omegaconf", "typeguard")
"""Packages imported to read a bundle and build its parts; typeguard checks their arguments."""

_IMAGES = "harness.data.transform.image."
_OF_IMAGES = ("pillow",)
_OF_OTHERS = ("scikit-learn", "scipy")
"""Packages of every other transform, including a user's own: scikit-learn and its dependency scipy."""

_WHERE_USED = {"pytorch_metric_learning": "pytorch-metric-learning", "timm": "timm"}
_BROUGHT = {"harness", "torch", "builtins"}
_OWNERS = {"sklearn": ("scikit-learn",), "torchvision": ("torchvision",), "timm": ("timm",)}
"""Those of usual parts: looking them up reads the metadata of all distributions, .4 s of CPU time."""


def pins(config: dict[str, Any]) -> list[str]:
    """`name==version` for each distribution that loading the bundle imports, as installed here."""
    transform = str(config.get("data", {}).get("transform", {}).get("_target_", ""))
    names = {
        *_ALWAYS,
        *(_OF_IMAGES if transform.startswith(_IMAGES) else _OF_OTHERS),
        *(name for module, name in _WHERE_USED.items() if module in sys.modules),
        *(owner for top in _tops(config) if _installed(top) for owner in _owners(top)),
    }
    return [pin for name in sorted(names) if (pin := _pin(name)) is not None]


def code(config: dict[str, Any]) -> list[str]:
    """The files or folders of the user's own modules, which are on no package index and are therefore
    copied."""
    sources = (_path(top) for top in sorted(_tops(config)) if not _installed(top))
    return [str(path) for path in sources if path is not None]


def _tops(config: dict[str, Any]) -> set[str]:
    """The top-level packages of a bundle's parts, and of everything that the user's own modules import.

    Only modules that this process has imported are included: it trained the model, so no others are needed.
    """
    parts = [config.get("model"), config.get("data", {}).get("transform"), config.get("trainer")]
    tops: set[str] = set()
    left = packages(parts) - _BROUGHT
    while left:
        top = left.pop()
        tops.add(top)
        path = _path(top)
        if path is not None and not _installed(top):
            known = {name for name in _imported(path) if name in sys.modules}
            left |= known - tops - _BROUGHT - sys.stdlib_module_names
    return tops


def _imported(path: Path) -> Iterator[str]:
    """The top-level names that a module, or any module of a package, imports."""
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
        try:
            tree = ast.parse(file.read_bytes())
        except (OSError, SyntaxError, ValueError):  # a template, or a compiled module
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
                yield node.module.partition(".")[0]


def _path(top: str) -> Path | None:
    module = sys.modules.get(top)
    if module is None:
        return None
    if getattr(module, "__file__", None) is None:  # a package without __init__.py, or built into Python
        return next((Path(place) for place in getattr(module, "__path__", ())), None)
    file = Path(str(module.__file__)).resolve()
    return file.parent if file.name == "__init__.py" else file


def _installed(top: str) -> bool:
    path = _path(top)
    return path is not None and bool({"site-packages", "dist-packages"} & set(path.parts))


@cache  # keyed by package: a notebook may install and import one between two runs
def _owners(top: str) -> tuple[str, ...]:
    """The distributions that installed a package; () if it was not installed by one."""
    return _OWNERS.get(top) or tuple(packages_distributions().get(top, ()))


@cache
def _pin(name: str) -> str | None:
    try:
        # A local version such as `+cpu` is not listed on package indexes.
        return f"{name}=={version(name).partition('+')[0]}"
    except PackageNotFoundError:
        return None
