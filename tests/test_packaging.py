from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import yaml

import harness

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.slow


def python(*words: str, cwd: Path, path: Path | None = None) -> str:
    """What Python prints, typed in `cwd`, with `path` before everything that is installed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONPATH", None)
    if path is not None:
        environment["PYTHONPATH"] = str(path)
    done = subprocess.run(
        [sys.executable, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source distribution, and the wheel that was built from nothing but it."""
    folder = tmp_path_factory.mktemp("dist")
    python("-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    return folder


@pytest.fixture(scope="module")
def site(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel installed in a folder of its own, from where the checkout cannot be imported."""
    folder = tmp_path_factory.mktemp("site")
    (wheel,) = dist.glob("*.whl")
    words = ["install", "--quiet", "--no-deps", "--no-index", "--no-compile", "--target", str(folder)]
    python("-m", "pip", "--disable-pip-version-check", *words, str(wheel), cwd=dist)
    forget = f"import sys\nsys.path[:] = [place for place in sys.path if place != {str(ROOT)!r}]\n"
    (folder / "sitecustomize.py").write_text(forget)  # the editable install has put the checkout there
    return folder


def test_the_source_distribution_holds_all_that_is_needed_to_work_on_it(dist: Path) -> None:
    (archive,) = dist.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        names = {name.partition("/")[2] for name in tar.getnames()}
    needed = ["pyproject.toml", "Makefile", "constraints.txt", "README.md", "CITATION.cff"]
    assert {
        *needed,
        "conf/config.yaml",
        "harness/run.py",
        "hydra_plugins/harness_sweeper.py",
        "tests/test_packaging.py",
    } <= names


def test_the_wheel_carries_every_yaml_inside_the_package(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    conf = ROOT / "conf"
    assert {f"harness/conf/{file.relative_to(conf).as_posix()}" for file in conf.rglob("*.yaml")} <= names
    assert {"harness/py.typed", "hydra_plugins/harness_sweeper.py"} <= names
    assert {name.partition("/")[0] for name in names} == {
        "harness",
        "hydra_plugins",
        f"harness-{harness.__version__}.dist-info",
    }


def test_a_wheel_runs_in_any_folder_without_the_checkout(site: Path, tmp_path: Path) -> None:
    imports = "import harness.config.compose as h, hydra_plugins.harness_sweeper as s"
    where = f"{imports}; print(h.__file__, h.CONF, s.__file__)"
    code, conf, plugin = python("-c", where, cwd=tmp_path, path=site).split()
    assert code == str(site / "harness" / "config" / "compose.py")
    assert conf == str(site / "harness" / "conf")
    assert plugin == str(site / "hydra_plugins" / "harness_sweeper.py")
    assert "convnet" in python("-m", "harness", "ls", "model", cwd=tmp_path, path=site)
    python("-m", "harness", "tracking=none", "trainer.epochs=1", cwd=tmp_path, path=site)
    (result,) = tmp_path.glob("outputs/runs/*/result.json")
    assert json.loads(result.read_text())["status"] == "finished"


def test_the_editable_install_runs_in_any_folder_on_the_yaml_of_the_checkout(tmp_path: Path) -> None:
    printed = python("-c", "import harness.config.compose as h; print(h.CONF)", cwd=tmp_path)
    assert printed.strip() == str(ROOT / "conf")
    assert "convnet" in python("-m", "harness", "ls", "model", cwd=tmp_path)


def test_the_package_index_would_take_the_distributions_and_show_their_page(dist: Path) -> None:
    files = [str(path) for path in sorted(dist.iterdir())]
    printed = python("-m", "twine", "--no-color", "check", "--strict", *files, cwd=dist)
    assert printed.count("PASSED") == len(files) == 2


def test_the_changelog_begins_with_the_version_of_the_package() -> None:
    lines = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines()
    headings = [line.removeprefix("## ") for line in lines if line.startswith("## ")]
    assert headings[0] == "Unreleased" or headings[0].split()[0] == harness.__version__


def test_the_version_of_the_distribution_is_that_of_the_package(dist: Path) -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == harness.__version__
    assert [path.name for path in sorted(dist.iterdir())] == [
        f"harness-{harness.__version__}-py3-none-any.whl",
        f"harness-{harness.__version__}.tar.gz",
    ]
