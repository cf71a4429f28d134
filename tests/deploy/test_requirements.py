from __future__ import annotations

import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from harness.bundle import requirements


def test_what_loading_needs_is_pinned_as_installed(config: dict[str, Any]) -> None:
    pins = requirements.pins(config)
    assert f"pandas=={version('pandas')}" in pins
    assert f"torch=={version('torch').partition('+')[0]}" in pins, "no index lists a local build"
    assert not [pin for pin in pins if pin.startswith("harness")], "it is on no index and travels along"


def test_a_third_partys_part_requires_its_distribution() -> None:
    config = {"model": {"encoder": [{"_target_": "sqlalchemy.Engine"}]}}
    __import__("sqlalchemy")
    assert f"SQLAlchemy=={version('sqlalchemy')}" in requirements.pins(config)
    assert requirements.code(config) == []


def test_the_users_own_module_is_carried_along(standin: Any, config: dict[str, Any], tmp_path: Path) -> None:
    assert requirements.code(config) == [str(tmp_path / "users_code" / "my_parts.py")]


@pytest.mark.parametrize("init", [True, False])
def test_the_users_own_package_is_carried_along_as_a_folder(
    init: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"my_package_{init}".lower()
    (tmp_path / name).mkdir()
    (tmp_path / name / "net.py").touch()
    if init:
        (tmp_path / name / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    __import__(f"{name}.net")
    assert requirements.code({"model": {"_target_": f"{name}.net.Net"}}) == [str(tmp_path / name)]
    del sys.modules[name]
