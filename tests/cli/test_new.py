"""`new` makes a project whose tests pass, and installs harness from where it came from."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PathDistribution
from pathlib import Path
from typing import Any

import pytest

from harness.cli import install_source, new
from harness.core.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_project_passes_its_own_tests_and_runs_at_once(run_cli: Any, here: Path) -> None:
    answer = run_cli("new", "demo")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.endswith("cd demo && make test\n")
    made = subprocess.run(
        ["make", "test", f"BIN={Path(sys.executable).parent}"],
        cwd=here / "demo",
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    assert " passed" in made.stdout
    assert "failed" not in made.stdout
    assert not (here / "demo" / ".venv").exists()


def test_the_name_takes_the_place_of_the_examples_everywhere(run_cli: Any, here: Path) -> None:
    (here / "deep").mkdir()
    assert run_cli("new", "cell_counts", "--into", "deep").status == 0
    folder = here / "deep" / "cell_counts"
    files = {str(path.relative_to(folder)): path for path in folder.rglob("*") if path.is_file()}
    assert set(files) == {name.replace("own_project", "cell_counts") for name in new.FILES}
    assert not [name for name, path in files.items() if "own_project" in path.read_text()]
    assert "_target_: cell_counts.model.Residual\n" in files["conf/model/mine.yaml"].read_text()
    assert oct(folder.stat().st_mode)[-3:] == oct((here / "deep").stat().st_mode)[-3:]


def test_everything_that_git_knows_of_the_example_is_copied() -> None:
    known = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "."],
        cwd=ROOT / "examples" / "own_project",
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(known.stdout.split()) == set(new.FILES)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["my-project"], "with a letter first, got 'my-project'; try my_project."),
        (["9"], "with a letter first, got '9'; try my_project."),
        (["class"], "'class' is a word of Python's own, and no package can have it; try my_class."),
        (["torch"], "there is a package 'torch' already, which would hide the new one; try my_torch."),
        (["tests"], "'tests' is a folder that every project has; try my_tests."),
        (["taken"], "taken is there already; choose another name, or another folder by --into."),
        (
            ["demo", "--into", "nowhere"],
            "--into=nowhere is no folder; make it first, or name one that is there.",
        ),
        (
            ["demo", "--source", "empty"],
            "empty, where it does not lie; name it with --source: a folder, a wheel, ",
        ),
        (
            [],
            "the following arguments are required: name; `python -m harness new --help` lists the ",
        ),
    ],
)
def test_what_cannot_be_made_is_refused_and_nothing_is_written(
    run_cli: Any, here: Path, words: list[str], sentence: str
) -> None:
    (here / "taken").mkdir()
    (here / "empty").mkdir()
    answer = run_cli("new", *words)
    assert answer.status == 2
    assert sentence in answer.err
    assert sorted(path.name for path in here.iterdir()) == ["empty", "taken"]


def test_a_copy_that_fails_halfway_leaves_nothing(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(new, "FILES", ("README.md", "gone"))
    with pytest.raises(FileNotFoundError):
        new.make(here / "demo", "harness")
    assert list(here.iterdir()) == []


def test_a_checkout_is_installed_from_its_folder_with_its_constraints() -> None:
    assert install_source.installed_from().endswith(f"'{ROOT}[contract]'")
    assert install_source.installed_from().startswith(f"-c {ROOT}/constraints.txt ")


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        (
            {"url": "https://example.org/h.git", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "'harness[contract] @ git+https://example.org/h.git@abc'",
        ),
        (
            {"url": "https://example.org/harness-1-py3-none-any.whl", "archive_info": {}},
            "'harness[contract] @ https://example.org/harness-1-py3-none-any.whl'",
        ),
    ],
)
def test_an_installed_harness_is_installed_from_the_source_that_pip_recorded(
    here: Path, monkeypatch: pytest.MonkeyPatch, noted: dict[str, Any], words: str
) -> None:
    _installed(here, monkeypatch, noted)
    assert install_source.installed_from() == words


def test_a_wheel_or_a_folder_that_is_still_there_is_named_by_its_place(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = here / "a $harness-1.whl"
    wheel.touch()
    _installed(here, monkeypatch, {"url": wheel.as_uri(), "archive_info": {}})
    assert install_source.installed_from() == f"'harness[contract] @ {wheel.as_uri()}'"
    (here / "src").mkdir()
    (here / "src" / "pyproject.toml").write_text("[project]\nname = 'harness'\n")
    _installed(here, monkeypatch, {"url": (here / "src").as_uri(), "dir_info": {"editable": True}})
    assert install_source.installed_from() == f"-e '{here}/src[contract]'"


def test_an_installation_of_unknown_origin_is_refused(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _installed(here, monkeypatch, None)
    with pytest.raises(
        UserError, match=r"the origin of this installation .* is not known; name it with --source"
    ):
        install_source.installed_from()
    _installed(here, monkeypatch, {"url": (here / "gone.whl").as_uri(), "archive_info": {}})
    with pytest.raises(
        UserError, match=r"cannot be installed from .*gone.whl, where it does not lie; name it"
    ):
        install_source.installed_from()


def _installed(here: Path, monkeypatch: pytest.MonkeyPatch, noted: dict[str, Any] | None) -> None:
    """As if harness lay in no checkout, and pip had noted this of it."""
    info = here / "harness-1.dist-info"
    info.mkdir(exist_ok=True)
    (info / "direct_url.json").unlink(missing_ok=True)
    if noted is not None:
        (info / "direct_url.json").write_text(json.dumps(noted))
    monkeypatch.setattr(install_source, "_ROOT", here / "elsewhere")
    monkeypatch.setattr(install_source, "distribution", lambda name: PathDistribution(info))
