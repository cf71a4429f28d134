"""The floors of the house, the homes of third parties, and the mirror of conf and code."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from harness.build import target
from harness.node import nodes

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "harness"
CONF = ROOT / "conf"
FILES = sorted(PACKAGE.rglob("*.py"))
MODULES = {
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in FILES
}
YAMLS = sorted(CONF.rglob("*.yaml"))
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
each_choice = pytest.mark.parametrize(
    "file", [yaml for yaml in YAMLS if yaml.parent != CONF], ids=lambda file: str(file.relative_to(CONF))
)

ROOMS = (
    "data.extract",
    "data.transform",
    "data.augment",
    "data.load",
    "split",
    "guard",
    "model",
    "trainer",
    "evaluate",
    "tracking",
)
FLOORS = {
    3: ("__main__", "notebook", "explain", "verb", "sweep"),
    2: (
        "run",
        "assess",
        "examine",
        "debug",
        "batch_size",
        "pretrain",
        "plan",
        "origin",
        "exposure",
        "pipeline",
        "cache",
        "record",
        "card",
        "silent",
        "resume",
        "same",
        "tally",
        "facts",
        "log",
        "page",
        "experiment",
        "auto",
        "build",
        "settings",
        "compose",
        "secrets",
        "logged",
        "trust",
        "rerun",
        "evaluated",
        "final",
        "compare",
        "gate",
        "clean",
        "shown",
        "contract",
        "predictions",
        "report",
        "screen",
        "plot",
        "production",
    ),
    1: ROOMS,
    0: (
        "annotation",
        "arrays",
        "checkpoint",
        "distributed",
        "errors",
        "finding",
        "fold",
        "journal",
        "layout",
        "loss",
        "mask",
        "memory",
        "node",
        "parts",
        "past",
        "partners",
        "peers",
        "predictor",
        "progress",
        "project",
        "protocol",
        "provenance",
        "restored",
        "scores",
        "seed",
        "shortcut",
        "stop",
        "summary",
        "sweep_folder",
        "table",
        "task",
        "trial",
    ),
}
"""Of floor 0, `annotation`, `checkpoint`, `journal`, `layout`, `provenance`, `stop` and `summary` are there
because they import nouns alone."""

CORRIDOR = (
    "__main__",
    "explain",
    "run",
    "assess",
    "examine",
    "debug",
    "batch_size",
    "pretrain",
    "plan",
    "origin",
    "exposure",
    "pipeline",
    "logged",
    "trust",
    "rerun",
    "evaluated",
    "final",
    "notebook",
    "contract",
    "production",
    "record",
    "resume",
    "experiment",
    "auto",
    "build",
    "compose",
    "secrets",
    "sweep",
)
HOMES = {
    "hydra": CORRIDOR,
    "omegaconf": CORRIDOR,
    "optuna": ("sweep",),
    "pytest": ("contract",),
    "hypothesis": ("contract",),
    "mlflow": ("tracking", "production"),
    "typeguard": ("annotation", "contract"),
    "rich": ("screen", "sweep"),
    "plotly": ("sweep",),
    "matplotlib": ("plot",),
}


@cache
def imports(file: Path) -> tuple[str, ...]:
    """Every module that a file imports anywhere, those within functions as well."""
    return tuple(sorted(set(_imports(ast.parse(file.read_text())))))


def _imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else str(node.module)


def name(file: Path) -> str:
    """`trainer.best` for harness/trainer/best.py; empty for the package itself."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip(".")


def lies_in(module: str, place: str) -> bool:
    return f"{module}.".startswith(f"{place}.")


def floor(module: str) -> int:
    for number, places in FLOORS.items():
        if any(lies_in(module, place) for place in places):
            return number
    raise AssertionError(f"harness.{module} stands on no floor; write it into FLOORS")


def own(file: Path) -> list[str]:
    """The modules of this package that a file imports, without its name; the package itself left out."""
    return [found.removeprefix("harness.") for found in imports(file) if found.startswith("harness.")]


@each_file
def test_imports_run_downward_only(file: Path) -> None:
    if name(file) and name(file) not in ("data",):
        for found in own(file):
            assert floor(found) <= floor(name(file)), f"{name(file)} imports {found}, which stands above it"


@each_file
def test_a_room_never_imports_a_sibling(file: Path) -> None:
    rooms = [room for room in ROOMS if lies_in(name(file), room)]
    for found in own(file) if rooms else ():
        assert floor(found) == 0 or lies_in(found, rooms[0]), f"{name(file)} imports its sibling {found}"


def test_no_import_leads_back_to_itself() -> None:
    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join([*path, module])
        if module not in done:
            for found in imports(MODULES[module]):
                if found in MODULES and found != "harness":
                    visit(found, (*path, module))
            done.add(module)

    done: set[str] = set()
    for module in MODULES:
        visit(module, ())


@each_file
def test_a_third_party_has_few_homes(file: Path) -> None:
    for found in imports(file):
        homes = HOMES.get(found.partition(".")[0])
        assert homes is None or any(lies_in(name(file), home) for home in homes), f"{found} has no home here"


@each_file
def test_no_cycle_is_hidden_and_no_file_or_function_is_long(file: Path) -> None:
    text = file.read_text()
    assert "TYPE_CHECKING" not in text
    assert text.count("\n") <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 60, f"{node.name} is long"


@each_file
def test_every_module_and_every_public_class_says_what_it_is(file: Path) -> None:
    tree = ast.parse(file.read_text())
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), f"{node.name} has no docstring"


def test_no_room_is_a_catch_all() -> None:
    names = {part for file in FILES for part in file.relative_to(PACKAGE).with_suffix("").parts}
    assert not names & {"utils", "util", "helpers", "common", "base", "misc"}


def test_every_folder_of_choices_has_its_room() -> None:
    for folder in {yaml.parent.relative_to(CONF) for yaml in YAMLS} - {Path(".")}:
        inside = folder if folder.parts[0] == "data" else Path(folder.parts[0])
        room = PACKAGE / inside
        # An experiment is of all rooms; a launcher is chosen in Hydra's own group.
        roomless = folder.parts[0] in ("experiment", "hydra")
        found = room.is_dir() or room.with_suffix(".py").is_file() or roomless
        assert found, f"conf/{folder} has no room"


@pytest.mark.parametrize("file", YAMLS, ids=lambda file: str(file.relative_to(CONF)))
def test_a_yaml_begins_with_what_it_is_and_the_command_that_runs_it(file: Path) -> None:
    lines = [line for line in file.read_text().splitlines() if "@package" not in line]
    assert lines[0].startswith("# ")
    assert len(lines[0]) > 10
    assert lines[1].startswith("# python -m harness")


def content(file: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(file), resolve=False)


@each_choice
def test_a_target_lies_in_its_own_room_or_in_a_third_party(file: Path) -> None:
    folder = file.relative_to(CONF).parent.parts
    room = ".".join(folder[:2] if folder[0] == "data" else folder[:1])
    for node in nodes(content(file)):
        place = str(node["_target_"])
        # A loss is mathematics alone, and stands on the ground floor.
        homes = (f"harness.{room}", "harness.loss") if room == "trainer" else (f"harness.{room}",)
        assert not place.startswith("harness.") or any(lies_in(place, home) for home in homes)
        assert callable(target(node, str(file)))


GIVEN_BY_THE_HARNESS = {"shape", "params", "optimizer", "total_steps"}


@each_choice
def test_a_yaml_lists_every_argument_of_a_part_of_ours(file: Path) -> None:
    listed = content(file)
    for node in nodes(listed):
        if not str(node["_target_"]).startswith("harness."):
            continue
        made = target(node, str(file))
        # A class that passes keywords on to its parents takes what they take.
        ours = [cls for cls in made.__mro__ if cls.__module__.startswith("harness.")]
        makers = [vars(cls)["__init__"] for cls in ours if "__init__" in vars(cls)]
        wanted = {
            parameter.name
            for maker in makers
            for parameter in inspect.signature(maker).parameters.values()
            if parameter.name != "self" and parameter.kind is not parameter.VAR_KEYWORD
        }
        entries = [entry for entry in node.get("defaults", []) if isinstance(entry, dict)]
        # A group may fill another key than its own name: `/split@outer` fills `outer`.
        groups = {key.rpartition("@")[2] for entry in entries for key in entry if "_global_" not in key}
        given = {key for key in node if not key.startswith("_") and key != "defaults"} | groups
        runtime = GIVEN_BY_THE_HARNESS if node.get("_partial_") else set()
        assert given == wanted - runtime
