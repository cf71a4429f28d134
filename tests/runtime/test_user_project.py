"""The folder that `[tool.harness]` of a pyproject.toml names is searched like ours."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config.choice_files import CONF, choices, folders, yamls
from harness.config.compose import compose
from harness.core.errors import UserError
from harness.runtime.user_project import Project, enter, find

MODEL = "# mine\n# python -m harness model=mine\n_target_: harness.model.mlp.MLP\n_partial_: true\n"
ARGUMENTS = "widths: [3]\ndropout: 0.0\nnorm: none\nactivation: relu\nweights: null\n"


def project(folder: Path, table: str = '[tool.harness]\nconf = "conf"\n') -> Path:
    """A project whose one choice is `model=mine`."""
    (folder / "conf" / "model").mkdir(parents=True)
    (folder / "conf" / "model" / "mine.yaml").write_text(MODEL + ARGUMENTS)
    (folder / "pyproject.toml").write_text(table)
    return folder


def test_it_is_found_from_any_folder_below_and_past_files_that_do_not_name_harness(tmp_path: Path) -> None:
    root = project(tmp_path)
    below = root / "a" / "b"
    below.mkdir(parents=True)
    (root / "a" / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    (below / "pyproject.toml").write_text("torn [")  # of somebody else
    assert find(below) == Project(root, root / "conf")


def test_without_such_a_table_there_is_none(here: Path) -> None:
    assert find() is None
    assert folders() == [CONF]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ('[tool.harness]\ncnf = "conf"\n', r"\[tool.harness\] of .* has no key 'cnf'; did you mean conf\?"),
        ('[tool.harness]\nconf = "yaml"\n', "must name a folder of yaml files beside it, got 'yaml'; make"),
        ("[tool.harness]\nconf = 3\n", "must name a folder of yaml files beside it, got 3; make"),
        ("[tool]\nharness = 3\n", r"must be a table, got 3; write \[tool.harness\]\."),
        ("[tool.harness\n", "cannot be read as TOML: .*; correct it"),
    ],
)
def test_a_table_that_is_wrong_is_refused(tmp_path: Path, table: str, words: str) -> None:
    project(tmp_path, table)
    with pytest.raises(UserError, match=words):
        find(tmp_path)


def test_its_choices_are_listed_with_ours_and_suggested(run_cli: Any, here: Path) -> None:
    project(here)
    assert choices("model") == sorted([*(path.stem for path in (CONF / "model").glob("*.yaml")), "mine"])
    assert yamls("model")["mine"] == here / "conf" / "model" / "mine.yaml"
    assert compose(["model=mine"]).model.widths == [3]
    assert ["mine", "mine"] in [line.split() for line in run_cli("ls", "model").out.splitlines()]
    assert run_cli("check", "model=minne").err == "error: model has no choice 'minne'; did you mean mine?\n"
    near = "error: there is no setting 'model.wdths'; did you mean model.widths"
    assert run_cli("check", "model=mine", "model.wdths=[3]").err.startswith(near)


def test_a_file_with_the_name_of_one_of_ours_is_refused(run_cli: Any, here: Path) -> None:
    project(here)
    (here / "conf" / "model" / "mlp.yaml").write_text(MODEL)
    answer = run_cli("model=mlp")
    assert answer.status == 2
    assert answer.err == (
        f"error: {here / 'conf' / 'model' / 'mlp.yaml'} has the name of a file of harness's own, and would "
        "not be read; give it another.\n"
    )


def test_its_package_can_be_imported_behind_all_that_is_installed(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(here)
    (here / "below").mkdir()
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.chdir(here / "below")
    enter()
    enter()
    assert sys.path[-1] == str(here)
    assert sys.path.count(str(here)) == 1


def test_another_program_of_hydra_keeps_its_own_search_path(here: Path) -> None:
    import hydra

    project(here)
    other = here / "other"
    (other / "model").mkdir(parents=True)
    (other / "config.yaml").write_text("a: 1\n")
    with hydra.initialize_config_dir(str(other), version_base="1.3"):
        assert hydra.compose("config") == {"a": 1}
        with pytest.raises(Exception, match="model"):
            hydra.compose("config", ["+model=mine"])
