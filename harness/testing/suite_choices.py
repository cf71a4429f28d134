"""Base class of the contract suites: one test for each yaml file of a group."""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from omegaconf import OmegaConf

from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.runtime.config_nodes import load_config
from harness.runtime.user_project import enter, find


class Suite:
    """Tests of every choice of a group; a test that takes `choice` runs once for each.

    conf      the folder of yaml files; None: that of the project whose tests these are
    group     such as `model`
    left_out  choices that are not tested
    remedy    what to do where the yaml has `???` for an argument
    """

    conf: ClassVar[Path | None] = None
    group: ClassVar[str]
    left_out: ClassVar[frozenset[str]] = frozenset()
    remedy: ClassVar[str] = "give it a value in the yaml, or name the choice in `left_out`"

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Runs each test for each choice; pytest calls it."""
        self.locate(metafunc.config)
        cases = self.cases()
        if "choice" in metafunc.fixturenames:
            metafunc.parametrize("choice", cases)

    @classmethod
    def locate(cls, config: pytest.Config) -> None:
        """Finds the folder where the class does not name it.

        Raises:
            UserError: the project names none.
        """
        if cls.conf is not None:
            return
        project = find(config.rootpath)
        if project is None or project.conf is None:
            raise UserError(
                f"{config.rootpath / 'pyproject.toml'} names no folder of yaml files",
                'write conf = "conf" '
                "below [tool.harness], or give the suite's class a line conf = Path(FOLDER)",
            )
        cls.conf = project.conf

    @pytest.fixture(autouse=True)
    def _at_home(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        """Works in the project's own folder."""
        monkeypatch.chdir(request.config.rootpath)
        enter()

    @classmethod
    def yamls(cls) -> dict[str, Path]:
        """The file of each choice; one without a `_target_` is no part."""
        assert cls.conf is not None
        contents = _contents(cls.conf / cls.group)
        return {path.stem: path for path in contents if path.stem not in cls.left_out}

    @classmethod
    def cases(cls) -> list[str]:
        """The values of `choice`."""
        return list(cls.yamls())

    @classmethod
    def node(cls, choice: str) -> dict[str, Any]:
        """The plain content of its yaml."""
        assert cls.conf is not None
        node = copy.deepcopy(_contents(cls.conf / cls.group)[cls.yamls()[choice]])
        node.pop("defaults", None)
        return node

    @classmethod
    def below(cls, choice: str) -> dict[str, Any]:
        """The parts that the yaml's list of defaults names, by argument."""
        assert cls.conf is not None
        parts = {}
        for entry in _defaults(cls.yamls()[choice]):
            for name, below in entry.items():
                node: Any = load_config(cls.conf / cls.group / name / f"{below}.yaml")
                parts[str(name)] = build(node, f"{cls.group}.{name}") if "_target_" in node else node[name]
        return parts

    @classmethod
    def settings_below(cls, choice: str) -> dict[str, Any]:
        """The settings of the part itself in the yaml files that its list of defaults names."""
        assert cls.conf is not None
        settings: dict[str, Any] = {}
        for entry in _defaults(cls.yamls()[choice]):
            for name, below in entry.items():
                content: Any = OmegaConf.to_container(
                    load_config(cls.conf / cls.group / name / f"{below}.yaml")
                )
                settings |= {} if "_target_" in content else content
        return settings

    @classmethod
    def make(cls, choice: str, **changes: Any) -> Any:
        """The part that the yaml describes, with these arguments changed."""
        node = cls.node(choice)
        unknown = changes.keys() - node.keys()
        assert not unknown, f"the yaml of {choice} has no arguments {sorted(unknown)}"
        return build(OmegaConf.create(cls.complete(choice, node | changes)), cls.group.replace("/", "."))

    @classmethod
    def complete(cls, choice: str, node: dict[str, Any]) -> dict[str, Any]:
        """The node, if each argument has a value; an assertion that says where to give it otherwise."""
        missing = [key for key, value in node.items() if value == "???"]
        assert not missing, (
            f"the yaml of {cls.group}={choice} leaves {', '.join(missing)} to the command line; "
            f"{cls.remedy.format(choice=choice, key=missing[0])}"
        )
        return node


@cache
def _contents(folder: Path) -> dict[Path, dict[str, Any]]:
    """The content of each yaml file with a `_target_`, read once: each example of a property needs it."""
    contents: dict[Path, Any] = {
        path: OmegaConf.to_container(load_config(path)) for path in sorted(folder.glob("*.yaml"))
    }
    return {path: content for path, content in contents.items() if "_target_" in content}


def _defaults(path: Path) -> list[dict[str, str]]:
    """The groups in a yaml's list of defaults."""
    content: Any = OmegaConf.to_container(load_config(path))
    return [entry for entry in content.get("defaults", ()) if isinstance(entry, dict)]


def examples(count: int) -> settings:
    """How many made-up cases a property is tried on.

    pytest makes an object for each parameter of a method, which Hypothesis takes for a change of executor;
    the suites keep nothing in them, so that it makes no difference which one calls. The first case that
    fails is reported: to look for a smaller one may take a minute, and the message names the rule anyway.
    """
    return settings(
        max_examples=count,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=[HealthCheck.differing_executors],
    )
