from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra._internal.sources_registry import SourcesRegistry
from hydra.plugins.config_source import ConfigLoadError
from omegaconf import OmegaConf
from omegaconf.errors import GrammarParseError

from harness.config import kept_yaml


def write(file: Path, text: str, age: float = 10) -> None:
    """Writes a file that is some seconds old."""
    file.write_text(text)
    then = time.time() - age
    os.utime(file, (then, then))


def source_of(scheme: str) -> Any:
    return SourcesRegistry.instance().resolve(scheme)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that have been parsed."""
    kept_yaml.install()
    monkeypatch.setattr(kept_yaml, "_kept", {})
    names: list[str] = []

    def recorded(load: Any) -> Any:
        def named(file: Any) -> Any:
            names.append(Path(getattr(file, "name", file)).name)
            return load(file)

        return named

    monkeypatch.setattr(OmegaConf, "load", recorded(OmegaConf.load))  # Hydra's own files, and new ones
    monkeypatch.setattr(kept_yaml, "load_config", recorded(kept_yaml.load_config))
    return names


def test_a_file_is_parsed_once_and_each_caller_has_a_copy(tmp_path: Path, parsed: list[str]) -> None:
    write(tmp_path / "part.yaml", "# @package _global_\na: {b: 1, c: '${a.b}'}\n")
    source = source_of("file")("main", f"file://{tmp_path}")
    first, second = source.load_config("part"), source.load_config("part")
    assert first == second
    assert first.config == {"a": {"b": 1, "c": 1}}
    assert first.header == {"package": "_global_"}
    first.config.a.b = 2
    first.header.clear()
    third = source.load_config("part")
    assert (third.config, third.header) == (second.config, second.header)
    assert third.config.a.c == 1
    assert parsed == ["part.yaml"]
    hydras = source_of("pkg")("hydra", "pkg://hydra.conf")
    assert hydras.load_config("hydra/output/default") == hydras.load_config("hydra/output/default")
    assert parsed == ["part.yaml", "default.yaml"]


def test_a_changed_file_is_read_anew_and_a_missing_one_is_an_error(
    tmp_path: Path, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, source = tmp_path / "part.yaml", source_of("file")("main", f"file://{tmp_path}")
    write(file, "a: 1")
    assert source.load_config("part").config == {"a": 1}
    write(file, "a: 23", age=9)
    assert source.load_config("part").config == {"a": 23}
    file.unlink()
    with pytest.raises(ConfigLoadError, match="Config not found"):
        source.load_config("part")
    file.write_text("[1, 2]")  # no mapping: Hydra refuses it each time
    for _ in range(2):
        assert source.load_config("part").config == [1, 2]
    assert parsed == ["part.yaml"] * 4
    monkeypatch.setattr(kept_yaml, "_MOST", 0)
    file.write_text("a: 1")
    assert source.load_config("part").config == {"a": 1}


def test_a_file_that_was_just_written_is_not_kept(tmp_path: Path, parsed: list[str]) -> None:
    """Within the resolution of time stamps it may change again unseen."""
    file, source = tmp_path / "part.yaml", source_of("file")("main", f"file://{tmp_path}")
    for value in (1, 2):
        write(file, f"a: {value}", age=0.5)
        assert source.load_config("part").config == {"a": value}
    assert parsed == ["part.yaml"] * 2


def test_a_choice_that_refers_to_another_one_follows_it(tmp_path: Path) -> None:
    """Hydra's map of the known choices is made only where a list of defaults has a reference."""
    for group, name in (("a", "x"), ("a", "y"), ("b", "of_x"), ("b", "of_y")):
        (tmp_path / group).mkdir(exist_ok=True)
        (tmp_path / group / f"{name}.yaml").write_text(f"is: {name}")
    (tmp_path / "config.yaml").write_text("defaults: [_self_, a: x, b: 'of_${a}']")
    kept_yaml.install()
    with initialize_config_dir(str(tmp_path), version_base="1.3"):
        assert compose("config") == {"a": {"is": "x"}, "b": {"is": "of_x"}}
        assert compose("config", ["a=y"]) == {"a": {"is": "y"}, "b": {"is": "of_y"}}
        assert compose("config", ["b=of_x", "a=y"]) == {"a": {"is": "y"}, "b": {"is": "of_x"}}


def test_a_reference_that_was_parsed_before_has_the_value_of_its_own_configuration() -> None:
    kept_yaml.install()
    text = "${a}-${b.c}-${oc.select:d,'${a}'}"
    first = OmegaConf.create({"a": 1, "b": {"c": 2}, "is": text})
    second = OmegaConf.create({"a": 3, "b": {"c": 4}, "d": 5, "is": text})
    assert [first["is"], second["is"], first["is"]] == ["1-2-1", "3-4-5", "1-2-1"]
    first.a = "x"
    assert first["is"] == "x-2-x"
    for _ in range(2):
        with pytest.raises(GrammarParseError):
            OmegaConf.create({"is": "${a"})
