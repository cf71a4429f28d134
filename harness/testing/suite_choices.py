"""Suite: what all suites share, the yaml files that they are about."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from omegaconf import OmegaConf

from harness.config.instantiate import build
from harness.core.errors import UserError
from harness.runtime.user_project import enter, find


class Suite:
    """Claims about every choice of a group; a test that takes `choice` is asked of each.

    conf      the folder of yaml files; None: that of the project whose tests these are
    group     such as `model`
    left_out  choices of which nothing is claimed
    """

    conf: ClassVar[Path | None] = None
    group: ClassVar[str]
    left_out: ClassVar[frozenset[str]] = frozenset()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Asks each test of each choice; pytest calls it."""
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
                f'{config.rootpath / "pyproject.toml"} names no folder of yaml files; write conf = "conf" '
                "below [tool.harness], or give the suite's class a line conf = Path(FOLDER)."
            )
        cls.conf = project.conf

    @pytest.fixture(autouse=True)
    def _at_home(self, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
        """The project's own folder, where its words are typed."""
        monkeypatch.chdir(request.config.rootpath)
        enter()

    @classmethod
    def yamls(cls) -> dict[str, Path]:
        """The file of each choice; one without a `_target_` is no part."""
        assert cls.conf is not None
        files = {path.stem: path for path in sorted((cls.conf / cls.group).glob("*.yaml"))}
        return {
            name: path
            for name, path in files.items()
            if name not in cls.left_out and "_target_" in OmegaConf.load(path)
        }

    @classmethod
    def cases(cls) -> list[str]:
        """The names under which tests are asked."""
        return list(cls.yamls())

    @classmethod
    def node(cls, choice: str) -> dict[str, Any]:
        """The plain content of its yaml."""
        node: Any = OmegaConf.to_container(OmegaConf.load(cls.yamls()[choice]))
        node.pop("defaults", None)
        return dict(node)

    @classmethod
    def make(cls, choice: str, **changes: Any) -> Any:
        """The part that the yaml describes, with these arguments changed."""
        node = cls.node(choice)
        assert changes.keys() <= node.keys()
        return build(OmegaConf.create(node | changes), cls.group.replace("/", "."))


def examples(count: int) -> settings:
    """How many made-up cases a property is tried on.

    pytest makes an object for each parameter of a method, which Hypothesis takes for a change of executor;
    the suites keep nothing in them, so that it makes no difference which one calls.
    """
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.differing_executors]
    )
